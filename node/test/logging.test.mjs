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

test('records reach the logger with target and fields', async (t) => {
  const { records, logger } = recorder();
  const node = await startNode(t, { logger, logLevel: 'trace' });
  await node.agent({ name: 'echo' }, (input) => input);
  await node.request('echo', 'secret-canary-text');
  await until(() => records.length > 0, 'a log record');
  for (const { fields, message } of records) {
    assert.match(fields.target, /^hubless/);
    assert.equal(typeof message, 'string');
  }
  assert.ok(!JSON.stringify(records).includes('secret-canary-text'));
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
