/** Log records in the host's own logger. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startNode, until } from './support.mjs';

function recorder() {
  const records = [];
  const at = (level) => (fields, message) => records.push({ level, fields, message });
  const logger = Object.fromEntries(['error', 'warn', 'info', 'debug'].map((l) => [l, at(l)]));
  return { records, logger };
}

const CANARY = 'secret-canary-text';

const tells = (records) => JSON.stringify(records).includes(CANARY);

test('records reach the logger with level, target, message and fields', async (t) => {
  const { records, logger } = recorder();
  const node = await startNode(t, { logger, logLevel: 'trace' });
  const auth = () => Promise.reject(new Error('broken on purpose'));
  await node.agent({ name: 'echo' }, (input) => input);
  await node.agent({ name: 'guarded', requirements: { auth } }, (input) => input);
  const shown = { auth: { scheme: 'custom', secret: CANARY } };
  await node.request('echo', CANARY);
  await assert.rejects(node.request('guarded', CANARY, shown));
  const about = () => records.filter(({ fields }) => fields.agent === 'guarded');
  await until(() => about().some(({ level }) => level === 'warn'), 'the line of the request');
  const [{ fields, message }, ...more] = about().filter(({ level }) => level === 'warn');
  assert.deepEqual([message, more], ['an auth function failed', []]);
  assert.deepEqual([fields.target, fields.reason], ['hubless::engine::admit', 'handler_failed']);
  for (const record of records) {
    assert.match(record.fields.target, /^hubless/);
    assert.equal(typeof record.message, 'string');
  }
  const told = about().map(({ level, message }) => `${level} ${message}`);
  assert.ok(told.includes('info agent registered'), `${told}`);
  assert.ok(!tells(records));
  // The control: what is searched for would be found.
  logger.debug({ target: 'hubless', content: CANARY }, 'a request');
  assert.ok(tells(records));
});

test('a logger that throws harms nobody', async (t) => {
  const broken = () => {
    throw new Error('disk full');
  };
  const logger = { error: broken, warn: broken, info: broken, debug: broken };
  const node = await startNode(t, { logger, logLevel: 'trace' });
  await node.agent({ name: 'echo' }, (input) => input);
  assert.equal((await node.request('echo', 1)).value, 1);
});
