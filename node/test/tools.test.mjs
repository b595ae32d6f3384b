/** Tools and questions called back, credentials asked for. */

import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { test } from 'node:test';
import { HublessError, tool } from 'hubless';
import { z } from 'zod';
import { deferred, isError, startNode, until } from './support.mjs';

const Numbers = z.object({ a: z.number(), b: z.number() });
const add = tool({
  name: 'add',
  description: 'adds',
  input: Numbers,
  output: z.number(),
  run: async ({ a, b }) => a + b,
});

async function calculating(t) {
  const node = await startNode(t);
  await node.agent({ name: 'use' }, async (input, ctx) => {
    assert.equal(ctx.tools[0]?.name, 'add');
    return { fromTool: await ctx.callTool('add', input) };
  });
  return node;
}

test('a callee calls a tool of its caller, also in a stream', async (t) => {
  const node = await calculating(t);
  const reply = await node.request('use', { a: 3, b: 4 }, { tools: [add] });
  assert.deepEqual(reply.value, { fromTool: 7 });
  const streamed = node.stream('use', { a: 3, b: 5 }, { tools: [add] });
  assert.deepEqual((await streamed.reply()).value, { fromTool: 8 });
});

test('arguments are validated before the tool runs', async (t) => {
  const node = await calculating(t);
  const request = node.request('use', { a: 'three', b: 4 }, { tools: [add] });
  await assert.rejects(request, isError({ kind: 'json' }));
});

test('a tool that nobody offered is denied', async (t) => {
  const node = await startNode(t);
  await node.agent({ name: 'bad' }, (_input, ctx) => ctx.callTool('other', {}));
  await assert.rejects(node.request('bad', 1, { tools: [add] }), isError({ kind: 'denied' }));
});

test('a tool that throws fails in the callee, with its text', async (t) => {
  const node = await startNode(t);
  await node.agent({ name: 'catches' }, async (_input, ctx) => {
    return ctx.callTool('broken', {}).catch((error) => error.message);
  });
  const broken = tool({ name: 'broken', run: () => Promise.reject(new Error('tool broke')) });
  assert.match((await node.request('catches', 1, { tools: [broken] })).value, /tool broke/);
});

test('a tool that refuses keeps the kind and code of its error', async (t) => {
  const node = await startNode(t);
  await node.agent({ name: 'catches' }, async (_input, ctx) => {
    return ctx.callTool('closed', {}).catch(({ kind, code, message }) => ({ kind, code, message }));
  });
  const why = { kind: 'denied', code: 'not_today', message: 'come again' };
  const closed = tool({ name: 'closed', run: () => Promise.reject(new HublessError(why)) });
  assert.deepEqual((await node.request('catches', 1, { tools: [closed] })).value, why);
});

test('a tool runs in the async context of the request and is told when it is over', async (t) => {
  const node = await startNode(t);
  await node.agent({ name: 'use' }, (_input, ctx) => ctx.callTool('slow', {}));
  const mine = new AsyncLocalStorage();
  const started = deferred();
  const slow = tool({
    name: 'slow',
    run: (_input, { signal }) => {
      started.resolve({ signal, store: mine.getStore() });
      return new Promise(() => {});
    },
  });
  const controller = new AbortController();
  const options = { tools: [slow], signal: controller.signal };
  const request = mine.run('mine', () => node.request('use', 1, options));
  const { signal, store } = await started.promise;
  assert.equal(store, 'mine');
  controller.abort();
  await assert.rejects(request, isError({ kind: 'cancelled' }));
  await until(() => signal.aborted, 'the tool to be told');
});

const wanted = { answered: 'answered', failed: 'handler_failed', 'given up': 'cancelled' };
for (const direct of [false, true]) {
  const where = direct ? 'of another node' : 'of its own node';
  for (const end of Object.keys(wanted)) {
    test(`a tool ${where} does not run once the call is ${end}`, async (t) => {
      const node = await startNode(t);
      const caller = direct ? await startNode(t, { home: node.testHome }) : node;
      const [over, late] = [deferred(), deferred()];
      const controller = new AbortController();
      const ran = [];
      const tools = [tool({ name: 'note', run: (when) => ran.push(when) })];
      await node.agent({ name: 'works' }, async (_input, ctx) => {
        over.promise
          .then(() => ctx.callTool('note', { when: 'late' }))
          .then(
            () => 'ran',
            (error) => error.kind,
          )
          .then(late.resolve);
        const count = await ctx.callTool('note', { when: 'in time' });
        if (end === 'failed') throw new Error('broken');
        if (end === 'given up') {
          controller.abort();
          await new Promise(() => {});
        }
        return count;
      });
      const options = { tools, signal: controller.signal, waitMs: 20_000 };
      const outcome = await caller.request('works', 1, options).then(
        () => 'answered',
        (error) => error.kind,
      );
      assert.equal(outcome, wanted[end]);
      assert.deepEqual(ran, [{ when: 'in time' }]);
      over.resolve();
      assert.notEqual(await late.promise, 'ran');
      assert.deepEqual(ran, [{ when: 'in time' }]);
    });
  }
}

test('each call of a tool runs it once', async (t) => {
  const node = await startNode(t);
  const ran = [];
  const tools = [tool({ name: 'note', effect: 'AT_MOST_ONCE', run: ({ n }) => ran.push(n) })];
  await node.agent({ name: 'works' }, async (_input, ctx) => {
    await Promise.all([1, 1, 2, 2].map((n) => ctx.callTool('note', { n })));
  });
  await node.request('works', 1, { tools });
  assert.deepEqual(ran.sort(), [1, 1, 2, 2]);
});

test('a callee asks back', async (t) => {
  const node = await startNode(t);
  await node.agent({ name: 'ask' }, async (_input, ctx) => {
    const schema = { type: 'string' };
    return { got: await ctx.input('which?', { schema }) };
  });
  const questions = [];
  const onInput = async (question) => {
    questions.push(question);
    return 'this one';
  };
  assert.deepEqual((await node.request('ask', 1, { onInput })).value, { got: 'this one' });
  assert.equal(questions[0].value, 'which?');
  assert.deepEqual(questions[0].schema, { type: 'string' });
  await assert.rejects(node.request('ask', 1));
});

test('stored credentials and providers are used where nothing is given by hand', async (t) => {
  const node = await startNode(t);
  const requirements = { auth: { sharedSecret: 'open-sesame' } };
  const agent = await node.agent({ name: 'locked', requirements }, () => 'in');
  await assert.rejects(node.request(agent, 1), isError({ kind: 'auth' }));
  await node.credentials.set(agent.agentId, 'open-sesame');
  assert.equal((await node.request(agent, 1)).value, 'in');
  await node.credentials.remove(agent.agentId);
  const asked = [];
  await node.credentials.set(agent.agentId, async (target) => {
    asked.push(target);
    return 'open-sesame';
  });
  assert.equal((await node.request(agent, 1)).value, 'in');
  assert.equal(asked.length, 1);
  await node.credentials.remove(agent.agentId);
  await assert.rejects(node.request(agent, 1), isError({ kind: 'auth' }));
});
