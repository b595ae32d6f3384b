/** Finding, discovering and watching agents; catalogues, templates, pins. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Peer } from 'hubless';
import { z } from 'zod';
import { isError, startNode } from './support.mjs';

const rates = {
  name: 'rates',
  description: 'Historic foreign exchange rates',
  tags: ['fx'],
  attributes: {
    pair: ['EUR/USD', 'EUR/GBP'],
    period: { interval: { from: '2021-01-01', to: '2024-12-31' } },
    resolution_s: 60,
  },
  input: z.object({ pair: z.string() }),
};

async function market(t) {
  const node = await startNode(t);
  await node.agent(rates, ({ pair }) => ({ pair, rate: 1.25 }));
  await node.agent({ name: 'weather', description: 'Weather of tomorrow' }, () => 'sun');
  return node;
}

test('finds by text, tag, skill and typed facts', async (t) => {
  const node = await market(t);
  const first = async (query, options) => (await node.find(query, options))[0]?.name;
  assert.equal(await first('historic fx rates', { tags: ['fx'] }), 'rates');
  assert.equal(await first({ skill: 'weather' }), 'weather');
  const filter = {
    and: [
      { field: 'attributes.pair', op: 'contains', value: 'EUR/USD' },
      { field: 'attributes.period', op: 'covers', value: { date: '2022-06-01' } },
      { field: 'attributes.resolution_s', op: '<=', value: 60 },
    ],
  };
  assert.equal(await first({ filter }), 'rates');
  assert.deepEqual(await node.find({ skill: 'nothing' }, { waitMs: 10 }), []);
});

test('a peer is called as a function with types', async (t) => {
  const node = await market(t);
  const peer = await node.peer('exchange rates');
  assert.ok(peer instanceof Peer);
  assert.equal(peer.name, 'rates');
  const rate = peer.callable({ output: z.object({ rate: z.number() }) });
  assert.equal((await rate({ pair: 'EURUSD' })).rate, 1.25);
  assert.deepEqual((await peer.request({ pair: 'X' })).value, { pair: 'X', rate: 1.25 });
  const { descriptor, skills } = await peer.describe();
  assert.equal(descriptor.name, 'rates');
  assert.equal(skills[0].inputSchema.type, 'object');
  assert.deepEqual(
    (await node.request({ query: { tags: ['fx'] } }, { pair: 'Y' })).value.pair,
    'Y',
  );
});

test('explains what spoke for a result', async (t) => {
  const node = await market(t);
  const [peer] = await node.find('historic exchange rates', { explain: true });
  assert.ok(peer.explain.length > 0);
  for (const { signal, value, weight } of peer.explain) {
    assert.deepEqual([typeof signal, typeof value, typeof weight], ['string', 'number', 'number']);
  }
});

test('nothing found is not_found for peer, and a signal ends the wait', async (t) => {
  const node = await startNode(t);
  await assert.rejects(node.peer('nothing', { waitMs: 10 }), isError({ kind: 'not_found' }));
  const signal = AbortSignal.timeout(30);
  const waiting = node.find({ skill: 'x' }, { waitMs: 60_000, signal });
  await assert.rejects(waiting, isError({ kind: 'cancelled' }));
});

test('discover yields agents as they appear, watch what changes', async (t) => {
  const node = await startNode(t);
  const discovered = node.discover({ tags: ['late'] });
  const watched = node.watch({ tags: ['late'] });
  assert.deepEqual((await watched.next()).value, { type: 'snapshot', peers: [] });
  const agent = await node.agent({ name: 'late', tags: ['late'] }, () => 1);
  assert.equal((await discovered.next()).value.name, 'late');
  const arrived = (await watched.next()).value;
  assert.deepEqual([arrived.type, arrived.peer.name], ['arrived', 'late']);
  await agent.unregister();
  const departed = (await watched.next()).value;
  assert.deepEqual([departed.type, departed.agentId], ['departed', agent.agentId]);
  await discovered.return();
  await watched.return();
  assert.deepEqual(await watched.next(), { value: undefined, done: true });
});

test('agents of another node of the same home are found', async (t) => {
  const first = await startNode(t);
  const second = await startNode(t, { home: first.testHome });
  await first.agent({ name: 'there', tags: ['remote'] }, () => 'hi');
  const peer = await second.peer({ tags: ['remote'] }, { waitMs: 20_000 });
  assert.equal(peer.nodeKey, first.nodeKey);
  assert.equal((await peer.request()).value, 'hi');
  const status = await second.status();
  assert.ok(status.peers.some((one) => one.nodeKey === first.nodeKey));
});

test('lists hosted and loaded agents apart', async (t) => {
  const node = await market(t);
  const names = async (scope) => (await node.listAgents(scope)).map((one) => one.name).sort();
  assert.deepEqual(await names('local'), ['rates', 'weather']);
  const { descriptor } = await node.describe('rates');
  const { agentId } = await node.peer('exchange rates');
  const other = await startNode(t);
  const done = await other.loadAgents([{ ...descriptor, agentId }, { nonsense: true }]);
  assert.equal(done.loaded, 1);
  assert.equal(done.refused.length, 1);
  assert.deepEqual(
    (await other.listAgents('client')).map((one) => one.name),
    ['rates'],
  );
});

test('templates fill what the request leaves out', async (t) => {
  const node = await startNode(t);
  await node.agent({ name: 'echo' }, (input, ctx) => ({ input, why: ctx.context?.explanation }));
  await node.templates.set('usual', { context: { explanation: 'as usual' } });
  const reply = await node.request('echo', 'hi', { template: 'usual' });
  assert.deepEqual(reply.value, { input: 'hi', why: 'as usual' });
  assert.match(JSON.stringify(await node.templates.list()), /usual/);
  await node.templates.remove('usual');
  await assert.rejects(node.request('echo', 'hi', { template: 'usual' }));
});

test('pins are listed, set and removed', async (t) => {
  const node = await startNode(t);
  const agent = await node.agent({ name: 'pinned' }, () => 1);
  await node.pins.set('pinned', agent.agentId);
  assert.deepEqual(await node.pins.list(), [{ name: 'pinned', agentId: agent.agentId }]);
  await node.pins.remove('pinned');
  assert.deepEqual(await node.pins.list(), []);
});
