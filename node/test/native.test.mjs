/** The bridge itself: exports, panics, byte strings, closed sessions. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import v8 from 'node:v8';
import vm from 'node:vm';
import { version } from 'hubless';
import { native, packageFolder, until } from './support.mjs';

const declarations = readFileSync(join(packageFolder, 'native.d.ts'), 'utf8');

function declared(name) {
  const body = declarations.split(`export interface ${name} {`)[1].split('\n}')[0];
  return [...body.matchAll(/^ {2}(\w+)\(/gm)].map((match) => match[1]);
}

test('exports exactly what native.d.ts declares', () => {
  const extra = 'panicNow' in native ? declared('NativeTesting') : [];
  const wanted = [...declared('Native'), ...extra].sort();
  assert.deepEqual(Object.keys(native).sort(), wanted);
  assert.equal(declared('Native').length, 9);
});

test('says its version', () => {
  const { version: wanted } = JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8'));
  assert.equal(version(), wanted);
});

test('turns a panic into an ordinary error', () => {
  assert.ok('panicNow' in native, 'build the addon with --features testing');
  assert.throws(() => native.panicNow(), /panic/);
  assert.equal(native.version(), version());
});

for (const size of [0, 1, 65_535, 65_536, 1_048_576]) {
  test(`carries ${size} bytes there and back`, () => {
    const sent = new Uint8Array(size).map((_, index) => index % 251);
    const [back, second] = native.echoBytes([sent, sent.subarray(0, 10)]);
    sent.fill(0);
    assert.equal(back.length, size);
    assert.ok(back.every((byte, index) => byte === index % 251));
    assert.equal(second.length, Math.min(10, size));
  });
}

v8.setFlagsFromString('--expose-gc');
const collect = vm.runInNewContext('gc');

/** Bytes of JavaScript's own memory that a list of byte strings takes. */
function ownBytes(list) {
  // What was left behind before is not to go meanwhile; the second time waits for the first.
  collect();
  collect();
  const before = process.memoryUsage().arrayBuffers;
  const back = native.echoBytes(list);
  const own = process.memoryUsage().arrayBuffers - before;
  assert.deepEqual(
    back.map((one) => one.length),
    list.map((one) => one.length),
  );
  return own;
}

test('hands over 64 KiB and more by reference, and copies what is smaller', () => {
  const bytes = new Uint8Array(65_536);
  const count = 64;
  const large = ownBytes(Array(count).fill(bytes));
  const small = ownBytes(Array(count).fill(bytes.subarray(1)));
  assert.ok(large < bytes.length, `${large} bytes were allocated for what is handed over`);
  assert.ok(small >= count * 65_535, `only ${small} bytes were allocated for the copies`);
});

test('refuses what is no session and what is no text', () => {
  assert.throws(() => native.drain({}, 1));
  assert.throws(() => native.drain(undefined, 1));
  const session = native.open(() => {});
  assert.throws(() => native.submit(session, 1, 'x', 5, []));
  assert.throws(() => native.submit(session, 1, 'x', '{}', ['no bytes']));
  native.close(session);
});

test('takes nothing after close, which can be repeated', () => {
  const session = native.open(() => {});
  native.close(session);
  native.close(session);
  assert.equal(native.submit(session, 1, 'node.start', '{}', []), false);
  assert.deepEqual(native.drain(session, 10), []);
  native.cancel(session, 1);
});

const wrong = [
  ['no such operation', 'no.such.operation', '{}'],
  ['no JSON', 'find', '{'],
  ['no object', 'find', '[]'],
  ['a missing field', 'unregister', '{}'],
];
for (const [what, operation, body] of wrong) {
  test(`answers ${what} with invalid_argument`, async () => {
    let rung = 0;
    const session = native.open(() => {
      rung += 1;
    });
    assert.equal(native.submit(session, 7, operation, body, []), true);
    await until(() => rung > 0, 'the doorbell');
    const [kind, ticket, text, attachments] = native.drain(session, 10);
    assert.deepEqual([kind, ticket, attachments], [2, 7, null]);
    const error = JSON.parse(text);
    assert.equal(error.kind, 'invalid_argument');
    assert.equal(typeof error.field, 'string');
    native.close(session);
  });
}
