/** The vectors that every language runs, through what users see. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ERROR_KINDS, HublessError, inspectId, limits, Rejected } from 'hubless';
import { isError, native, packageFolder, startNode, until } from './support.mjs';

const folder = join(packageFolder, '..', 'tests', 'conformance', 'vectors');
const vectors = (name) => JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8'));
const identity = vectors('identity');
const errors = vectors('errors');

const lists = {
  agentIds: 'agentId',
  nodeKeys: 'nodeKey',
  meshIds: 'meshId',
  addresses: 'address',
  names: 'name',
  targets: 'target',
};
for (const [list, kind] of Object.entries(lists)) {
  for (const { input, text, code } of identity[list]) {
    test(`${JSON.stringify(input)} as ${kind} is ${text ?? code}`, async () => {
      const read = inspectId(input, { kind });
      if (code) await assert.rejects(read, isError({ kind: 'invalid_argument', code }));
      else assert.equal((await read).text, text);
    });
  }
}

for (const { agentId, publicKey, mesh, address } of identity.keys) {
  test(`the key ${publicKey} has its id and address`, async () => {
    const read = { text: agentId, key: publicKey, address };
    assert.deepEqual(await inspectId(agentId, { mesh }), read);
    assert.equal((await inspectId(agentId)).address, undefined);
    assert.equal((await inspectId(agentId, { kind: 'agentId' })).key, publicKey);
  });
}

test('a kind or mesh that is none is named, and nothing is left behind', async () => {
  const wrong = (field) => isError({ kind: 'invalid_argument', field });
  await assert.rejects(inspectId('sum', { kind: 'colour' }), wrong('kind'));
  await assert.rejects(inspectId(identity.keys[0].agentId, { mesh: 'none' }), wrong('mesh'));
  await assert.rejects(inspectId(undefined), wrong('text'));
  await assert.rejects(inspectId('half \ud83d'), isError({ kind: 'invalid_argument' }));
  await until(() => native.handles() === 0, 'native handles are left');
});

test('every bound is told', async () => {
  const home = join(packageFolder, '..', 'core', 'proto', 'src', 'limits.rs');
  const table = readFileSync(home, 'utf8').matchAll(/^ {4}([A-Z][A-Z0-9_]*): .+ = .+;$/gm);
  const names = [...table].map(([, name]) => name);
  const told = await limits();
  assert.ok(names.length >= 100);
  assert.deepEqual(Object.keys(told), names);
  assert.deepEqual([told.DEADLINE, told.CALL_DEPTH], [60_000, 16]);
});

test('the kinds are those of the table, in its order', () => {
  assert.deepEqual(
    [...ERROR_KINDS],
    errors.kinds.map((row) => row.kind),
  );
});

test('a handler can end a call with every kind, and the caller learns it', async (t) => {
  const node = await startNode(t);
  await node.agent({ name: 'fails' }, (kind) => {
    throw new HublessError({ kind, code: 'on_purpose', message: `this is ${kind}` });
  });
  await node.agent({ name: 'hopeless' }, (kind) => {
    throw new HublessError({ kind, message: 'do not come back', retry: 'never' });
  });
  for (const { kind, retry } of errors.kinds) {
    const wanted = { kind, code: 'on_purpose', message: `this is ${kind}`, retry };
    const failed = await node.request('fails', kind).then(assert.fail, (error) => error);
    assert.ok(failed instanceof Rejected, `${kind}: ${failed}`);
    isError(wanted)(failed);
    await assert.rejects(node.request('hopeless', kind), isError({ kind, retry: 'never' }));
  }
});
