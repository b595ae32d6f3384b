/** The error type. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { ERROR_KINDS, HublessError, Rejected } from 'hubless';
import errors from '../dist/errors.js';
import { packageFolder } from './support.mjs';

test('knows exactly the kinds of the contract', () => {
  const contract = readFileSync(join(packageFolder, '..', 'bindings', 'CONTRACT.md'), 'utf8');
  const kinds = contract.match(/`kind` is one of: ([a-z_ ]+)\./)[1].split(' ');
  assert.deepEqual([...ERROR_KINDS].sort(), kinds.sort());
});

test('is the same class for ES modules and CommonJS', () => {
  const required = createRequire(import.meta.url)('hubless');
  assert.equal(required.HublessError, HublessError);
  assert.equal(required.Node.name, 'Node');
});

test('has the names that abort signals give', () => {
  const named = (kind) => new HublessError({ kind, message: 'x' }).name;
  assert.equal(named('cancelled'), 'AbortError');
  assert.equal(named('deadline'), 'TimeoutError');
  assert.equal(named('busy'), 'HublessError');
  assert.equal(new Rejected({ kind: 'busy', message: 'x' }).name, 'Rejected');
});

test('carries every field of the wire', () => {
  const wire = {
    kind: 'busy',
    code: 'queue_full',
    operation: 'request',
    message: 'the queue is full',
    field: 'queue',
    limit: { name: 'queue', value: 3 },
    retry: { afterMs: 20 },
    agent: 'did:key:z',
    origin: 'node',
    traceId: 'abc',
    pointer: '/a',
    candidates: ['did:key:a', 'did:key:b'],
    rejection: true,
  };
  const error = errors.fromWire(wire);
  assert.ok(error instanceof Rejected && error instanceof HublessError && error instanceof Error);
  const { rejection: _, ...fields } = wire;
  for (const [key, value] of Object.entries(fields)) assert.deepEqual(error[key], value, key);
});

const thrown = [
  [new Error('plain'), { message: 'plain' }],
  [new TypeError(''), { message: 'TypeError' }],
  ['a string', { message: 'a string' }],
  [undefined, { message: 'undefined' }],
  [null, { message: 'null' }],
  [Object.create(null), { message: 'a value without a text was thrown' }],
];
for (const [value, wanted] of thrown) {
  test(`makes a failure of ${typeof value} ${wanted.message}`, () => {
    assert.deepEqual(errors.toFailure(value), wanted);
  });
}

test('keeps kind, code and retry of an error of Hubless; unsaid, the kind decides', () => {
  const fields = { kind: 'denied', code: 'not_today', message: 'no' };
  const unsaid = { ...fields, field: undefined, retry: undefined };
  assert.deepEqual(errors.toFailure(new HublessError(fields)), unsaid);
  for (const retry of ['never', 'later', { afterMs: 5 }]) {
    const said = new HublessError({ ...fields, retry });
    assert.deepEqual(errors.toFailure(said), { ...unsaid, retry });
  }
});
