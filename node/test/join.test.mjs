/** Joining another mesh by a ticket. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Node } from 'hubless';
import { freshHome, isError, startNode } from './support.mjs';

test('a ticket lets a node of another home join, once', async (t) => {
  const host = await startNode(t);
  await host.agent({ name: 'there' }, () => 'hi');
  const ticket = await host.invite({ uses: 1, local: true });
  const home = freshHome(t);
  const { meshId } = await Node.join(ticket, { home });
  assert.equal(meshId, host.meshId);
  const guest = await startNode(t, { home, mesh: meshId });
  const reply = await guest.request('there', 1, { waitMs: 20_000 });
  assert.deepEqual([reply.value, reply.path], ['hi', 'direct']);
  await assert.rejects(Node.join(ticket, { home }), isError({ kind: 'denied' }));
});

test('a stranger sees nothing, and a ticket that is none is refused', async (t) => {
  const host = await startNode(t);
  await host.agent({ name: 'there' }, () => 'hi');
  const stranger = await startNode(t);
  assert.notEqual(stranger.meshId, host.meshId);
  assert.deepEqual(await stranger.find({ skill: 'there' }, { waitMs: 100 }), []);
  assert.equal((await host.find({ skill: 'there' })).length, 1);
  const refused = isError({ kind: 'invalid_argument', field: 'ticket' });
  await assert.rejects(Node.join('nonsense', { home: freshHome(t) }), refused);
});
