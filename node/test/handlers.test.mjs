/** The forms of agents and what their handlers can do. */

import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { test } from 'node:test';
import { blob, CallContext, Content, current, data, factory, text } from 'hubless';
import { deferred, isError, startNode, until } from './support.mjs';

async function value(node, name, input, options) {
  return (await node.request(name, input, options)).value;
}

test('plain, async and generator functions', async (t) => {
  const node = await startNode(t);
  await node.register(function plain(n) {
    return n + 1;
  });
  await node.register(async function later(n) {
    return n + 2;
  });
  await node.register(async function* pieces(n) {
    yield 'a';
    yield 'b';
    return n + 3;
  });
  await node.register(function* listed() {
    yield { a: 1 };
    return 'end';
  });
  assert.equal(await value(node, 'plain', 1), 2);
  assert.equal(await value(node, 'later', 1), 3);
  assert.equal(await value(node, 'pieces', 1), 4);
  assert.equal(await value(node, 'listed', 1), 'end');
});

test('a generator that returns nothing answers with its pieces', async (t) => {
  const node = await startNode(t);
  await node.register(async function* words() {
    yield 'one ';
    yield 'two';
  });
  assert.equal((await node.request('words')).text, 'one two');
});

test('objects with handle, with skills, and classes', async (t) => {
  const node = await startNode(t);
  const calculator = {
    skills: { add: { input: { type: 'object', required: ['a'] } }, negate: {} },
    sign: -1,
    add({ a, b }) {
      return a + b;
    },
    negate(n) {
      return this.sign * n;
    },
  };
  class Counter {
    count = 0;
    handle() {
      return ++this.count;
    }
  }
  await node.register(calculator, { name: 'calculator' });
  await node.register({ handle: (n) => n * 2 }, { name: 'twice' });
  await node.register(Counter, { name: 'shared' });
  await node.register(Counter, { name: 'isolated', concurrency: 'isolated' });
  assert.equal(await value(node, 'calculator', { a: 1, b: 2 }, { skill: 'add' }), 3);
  assert.equal(await value(node, 'calculator', 5, { skill: 'negate' }), -5);
  await assert.rejects(node.request('calculator', 5, { skill: 'add' }), isError({ kind: 'json' }));
  assert.equal(await value(node, 'twice', 4), 8);
  assert.deepEqual([await value(node, 'shared'), await value(node, 'shared')], [1, 2]);
  assert.deepEqual([await value(node, 'isolated'), await value(node, 'isolated')], [1, 1]);
});

test('one of several skills has to be named, unless one is called handle', async (t) => {
  const node = await startNode(t);
  const ran = [];
  const tell = (id) => (_input, ctx) => {
    ran.push(id);
    return [id, ctx.skill];
  };
  const both = (one, two) => ({
    skills: { [one]: {}, [two]: {} },
    [one]: tell(one),
    [two]: tell(two),
  });
  // A method that is no skill stands in for none.
  await node.register({ ...both('a', 'b'), handle: tell('handle') }, { name: 'pair' });
  await node.register(both('a', 'handle'), { name: 'whole' });
  const unnamed = isError({ kind: 'not_found', code: 'skill', field: 'skill' });
  await assert.rejects(node.request('pair'), unnamed);
  assert.deepEqual(ran, []);
  assert.deepEqual(await value(node, 'pair', 1, { skill: 'b' }), ['b', 'b']);
  assert.deepEqual(await value(node, 'whole'), ['handle', 'handle']);
});

test('the only skill of an agent can have an id of its own', async (t) => {
  const node = await startNode(t);
  await node.agent({ name: 'rates', skill: 'rate' }, () => 1);
  assert.equal(await value(node, 'rates', 1, { skill: 'rate' }), 1);
  const unknown = isError({ kind: 'not_found', field: 'skill' });
  await assert.rejects(node.request('rates', 1, { skill: 'rates' }), unknown);
});

test('a factory makes a new agent for every call, disposed of at its end', async (t) => {
  const node = await startNode(t);
  const log = [];
  const make = async () => ({
    handle: () => log.push('handled'),
    [Symbol.asyncDispose]: async () => log.push('disposed'),
  });
  await node.register(factory(make), { name: 'made' });
  await node.request('made');
  await node.request('made');
  await until(() => log.length === 4, 'both instances to be disposed of');
  assert.deepEqual(log, ['handled', 'disposed', 'handled', 'disposed']);
});

test('isolated needs something to make instances of', async (t) => {
  const node = await startNode(t);
  const refused = isError({ kind: 'configuration', field: 'concurrency' });
  await assert.rejects(
    node.register(() => 1, { name: 'x', concurrency: 'isolated' }),
    refused,
  );
  const unnamed = isError({ kind: 'configuration', field: 'name' });
  await assert.rejects(
    node.register(() => 1),
    unnamed,
  );
});

test('a second agent of the same name is a conflict', async (t) => {
  const node = await startNode(t);
  await node.agent({ name: 'one' }, () => 1);
  const taken = isError({ kind: 'conflict', code: 'name_taken' });
  await assert.rejects(
    node.agent({ name: 'ONE' }, () => 2),
    taken,
  );
  assert.equal(await value(node, 'one'), 1);
});

test('a call that runs when its agent is unregistered finishes', async (t) => {
  const node = await startNode(t);
  const started = deferred();
  const go = deferred();
  const agent = await node.agent({ name: 'leaving' }, async () => {
    started.resolve();
    await go.promise;
    return 'finished';
  });
  const running = node.request('leaving');
  await started.promise;
  const gone = agent.unregister();
  const later = node.request('leaving', 1, { waitMs: 0 });
  await assert.rejects(later, isError({ kind: 'not_found' }));
  go.resolve();
  assert.equal((await running).value, 'finished');
  await gone;
});

test('agents registered in an isolated call end with it', async (t) => {
  const node = await startNode(t);
  class Parent {
    async handle(_input, ctx) {
      await ctx.node.agent({ name: 'child' }, () => 'child here');
      return (await ctx.node.request('child')).value;
    }
  }
  await node.register(Parent, { name: 'parent', concurrency: 'isolated' });
  assert.equal(await value(node, 'parent'), 'child here');
  const names = async () => (await node.listAgents('local')).map((agent) => agent.name);
  await until(async () => !(await names()).includes('child'), 'the child to be gone');
  assert.deepEqual(await names(), ['parent']);
});

test('the context says what was asked and by whom', async (t) => {
  const node = await startNode(t);
  let seen;
  const agent = await node.agent({ name: 'seen' }, (input, ctx) => {
    seen = ctx;
    assert.equal(current(), ctx);
    return input;
  });
  await node.request('seen', 'hi', {
    metadata: { m: 1 },
    conversationId: 'c1',
    idempotencyKey: 'k1',
    context: { entries: [{ key: 'a', text: 'one' }], explanation: 'why' },
  });
  assert.ok(seen instanceof CallContext);
  assert.equal(current(), undefined);
  assert.equal(seen.node, node);
  assert.equal(seen.content.value, 'hi');
  assert.equal(seen.caller.kind, 'local');
  assert.equal(seen.caller.node, node.nodeKey);
  assert.equal(seen.depth, 0);
  assert.equal(seen.attempt >= 0, true);
  assert.deepEqual(seen.metadata, { m: 1 });
  assert.equal(seen.conversationId, 'c1');
  assert.equal(seen.idempotencyKey, 'k1');
  assert.equal(seen.context.entries[0].key, 'a');
  assert.match(seen.trace.traceparent, /^00-[0-9a-f]{32}-[0-9a-f]{16}-/);
  assert.match(agent.agentId, /^did:key:z6Mk/);
  assert.match(agent.address, /^\d+:[0-9A-F]{4}\./);
});

test('async contexts of the user are kept apart from ours', async (t) => {
  const node = await startNode(t);
  const mine = new AsyncLocalStorage();
  await node.agent({ name: 'echo' }, async (input) => {
    await new Promise((resolve) => setImmediate(resolve));
    return { input, context: current() !== undefined };
  });
  const ask = (n) =>
    mine.run(n, async () => [(await node.request('echo', n)).value, mine.getStore()]);
  const answers = await Promise.all([1, 2, 3].map(ask));
  answers.forEach(([answer, store], index) => {
    assert.deepEqual(answer, { input: index + 1, context: true });
    assert.equal(store, index + 1);
  });
});

test('contents, parts and nothing can be answered', async (t) => {
  const node = await startNode(t);
  const answers = {
    content: () => new Content([text('a'), data({ b: 1 })]),
    part: () => data([1]),
    bytes: () => new Uint8Array([1, 2]),
    blob: () => blob(Buffer.from('x'), { mediaType: 'text/plain', filename: 'x.txt' }),
    nothing: () => undefined,
  };
  for (const [name, handler] of Object.entries(answers)) await node.agent({ name }, handler);
  const content = (await node.request('content')).content;
  assert.deepEqual(
    content.parts.map((part) => part.type),
    ['text', 'data'],
  );
  assert.deepEqual(await value(node, 'part'), [1]);
  const bytes = (await node.request('bytes')).content.blobs[0];
  assert.deepEqual([...(await bytes.bytes())], [1, 2]);
  const { filename, mediaType, size } = (await node.request('blob')).content.blobs[0];
  assert.deepEqual([filename, mediaType, size], ['x.txt', 'text/plain', 1]);
  assert.equal((await node.request('nothing')).content.parts.length, 0);
});

test('rejections in handlers never end the process', async (t) => {
  const node = await startNode(t);
  const broken = {
    nothing: () => Promise.reject(),
    nil: () => Promise.reject(null),
    odd: () => {
      throw Object.create(null);
    },
    // biome-ignore lint/suspicious/noThenProperty: an odd value on purpose
    thenable: () => ({ then: (_yes, no) => no(new Error('thenable')) }),
    async *generator() {
      yield 1;
      throw new Error('in the middle');
    },
  };
  for (const [name, handler] of Object.entries(broken)) {
    await node.agent({ name }, handler);
    await assert.rejects(node.request(name), isError({ kind: 'handler_failed' }), name);
  }
});

test('a handler sees what was asked, as it came', async (t) => {
  const node = await startNode(t);
  await node.agent({ name: 'seen' }, (_input, ctx) => ({
    content: ctx.content.text,
    skill: ctx.skill,
    conversation: ctx.conversationId,
    said: ctx.metadata.said,
    schemas: [ctx.inputSchema, ctx.outputSchema],
    caller: ctx.caller.kind,
    inTime: ctx.remainingMs > 0,
  }));
  const [inputSchema, outputSchema] = [{ type: 'string' }, { type: 'object' }];
  const more = { skill: 'seen', conversationId: 'c', metadata: { said: [1] } };
  const reply = await node.request('seen', 'x', { ...more, inputSchema, outputSchema });
  assert.deepEqual(reply.value, {
    content: 'x',
    skill: 'seen',
    conversation: 'c',
    said: [1],
    schemas: [inputSchema, outputSchema],
    caller: 'local',
    inTime: true,
  });
});

test('usage, progress and history', async (t) => {
  const node = await startNode(t);
  const flags = { recordsInteractionContext: true };
  await node.agent({ name: 'talk', flags }, async (_input, ctx) => {
    await ctx.progress('half', 0.5);
    await ctx.usage({ inputTokens: 3, outputTokens: 4, costMicros: 5, calls: 1, model: 'm' });
    return (await ctx.history()).map((turn) => [turn.role, turn.text]);
  });
  const first = await node.request('talk', 'one', { conversationId: 'c' });
  assert.deepEqual(first.value, []);
  assert.equal(first.usage.inputTokens, 3);
  assert.equal(first.usage.costMicros, 5);
  const second = await node.request('talk', 'two', { conversationId: 'c' });
  assert.equal(second.value.length, 2);
  assert.deepEqual(second.value[0], ['user', 'one']);
});
