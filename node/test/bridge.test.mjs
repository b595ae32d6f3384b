/** The bridge itself: errors of every kind, bytes and texts there and back, waiting operations. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ERROR_KINDS, HublessError, Rejected } from 'hubless';
import asking from '../dist/ask.js';
import { isError, native, openBridge, until } from './support.mjs';

// Longer than all tests: what ends before was ended.
const FOREVER_MS = 3_600_000;

const thrown = {
  code: 'on_purpose',
  operation: 'bridge',
  message: 'grüße\0 💱',
  field: 'content',
  limit: { name: 'JSON_DEPTH', value: 64 },
  retry: { afterMs: 250 },
  agent: 'one',
  origin: 'ab',
  traceId: 'cd',
  pointer: '/a/0',
  candidates: ['one', 'two'],
};

/** Checks that an error is of its class, and has all that it was thrown with. */
function isThrown(kind, rejection) {
  return (error) => {
    assert.ok(error instanceof HublessError, `${kind}: ${error}`);
    assert.equal(error instanceof Rejected, rejection, kind);
    return isError({ kind, ...thrown })(error);
  };
}

for (const rejection of [false, true]) {
  const what = rejection ? 'refusal' : 'error';
  test(`every kind of ${what} comes back as it was thrown`, async (t) => {
    const bridge = openBridge(t);
    const { kinds } = await bridge.run('bridge.read', { what: 'kinds' });
    assert.deepEqual(
      kinds.map((row) => row.kind),
      [...ERROR_KINDS],
    );
    for (const kind of ERROR_KINDS) {
      const body = { kind, rejection, ...thrown };
      await assert.rejects(bridge.run('bridge.throw', body), isThrown(kind, rejection));
      assert.throws(() => asking.ask('bridge.throw', body), isThrown(kind, rejection));
    }
  });
}

test('bytes and texts come back as they went', async (t) => {
  const bridge = openBridge(t);
  const sizes = [0, 1, 64 * 1024, 1024 * 1024];
  const sent = sizes.map((size) => new Uint8Array(size).map((_, index) => index % 251));
  const body = {
    text: 'a\0b 💱 \ufeff',
    deep: [{ n: 1.5, '': null }],
    most: Number.MAX_SAFE_INTEGER,
  };
  const back = await bridge.runWhole('bridge.echo', body, sent);
  assert.deepEqual(back.body, body);
  assert.deepEqual(
    back.attachments.map((one) => one.length),
    sizes,
  );
  for (const [index, one] of sent.entries()) {
    assert.equal(Buffer.compare(back.attachments[index], one), 0, `${one.length} bytes`);
  }
  assert.deepEqual(asking.ask('bridge.echo', body), body);
});

test('a sleep holds up nothing and can be given up', async (t) => {
  const bridge = openBridge(t);
  const giveUp = new AbortController();
  const ended = [];
  const sleep = (name, signal) => {
    const done = bridge.run('bridge.sleep', { ms: FOREVER_MS }, [], signal);
    return done.catch((error) => error).finally(() => ended.push(name));
  };
  const long = sleep('given up', giveUp.signal);
  const left = sleep('closed');
  // Both are begun before this one, which is through meanwhile, as is what the loop does.
  assert.deepEqual(await bridge.run('bridge.sleep', { ms: 1 }), {});
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(await bridge.run('bridge.echo', { n: 1 }), { n: 1 });
  assert.deepEqual(ended, []);
  giveUp.abort();
  isError({ kind: 'cancelled' })(await long);
  assert.deepEqual(await bridge.run('bridge.echo', { n: 2 }), { n: 2 });
  assert.deepEqual(ended, ['given up']);
  bridge.close();
  isError({ kind: 'closed' })(await left);
  await until(() => native.handles() === 0, 'native handles are left');
});
