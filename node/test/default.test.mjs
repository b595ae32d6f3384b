/** The node that a process has without asking for one. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { agent, defaultNode, find, peer, register, request } from 'hubless';
import { freshHome } from './support.mjs';

test('plain functions use one node, which is replaced when it was closed', async (t) => {
  process.env.HUBLESS_HOME = freshHome(t);
  await agent({ name: 'greet' }, (input) => `hello ${input}`);
  await register(async function twice(n) {
    return n * 2;
  });
  assert.equal((await request('greet', 'Ada')).value, 'hello Ada');
  assert.equal((await request('twice', 4)).value, 8);
  assert.equal((await find('greet'))[0].name, 'greet');
  assert.equal((await peer('greet')).name, 'greet');
  const [first, second] = await Promise.all([defaultNode(), defaultNode()]);
  assert.equal(first, second);
  await first.close();
  const third = await defaultNode();
  assert.notEqual(third, first);
  await third.close();
});
