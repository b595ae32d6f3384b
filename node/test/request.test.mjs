/** Requests of a node to agents of its own, errors, deadlines, cancellation. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Content, data, HublessError, limits, Node, Rejected, text } from 'hubless';
import { deferred, isError, startNode, until } from './support.mjs';

test('asks an agent and gets a whole reply', async (t) => {
  const node = await startNode(t);
  await node.agent({ name: 'greet' }, (input) => `hello ${input}`);
  const reply = await node.request('greet', 'Ada');
  assert.equal(reply.value, 'hello Ada');
  assert.equal(reply.text, 'hello Ada');
  assert.equal(reply.content.value, 'hello Ada');
  assert.equal(reply.path, 'in_process');
  assert.equal(reply.agent.name, 'greet');
  assert.equal(reply.agent.nodeKey, node.nodeKey);
  assert.equal(reply.attempts, 1);
  assert.equal(typeof reply.usage.inputTokens, 'number');
  assert.equal(typeof reply.timing.handlerUs, 'number');
});

const values = [
  '',
  'Grüße, 世界 🌍',
  0,
  -1.5,
  Number.MAX_SAFE_INTEGER,
  true,
  false,
  [],
  {},
  { a: [1, { b: null }], c: 'x' },
  'x'.repeat(700_000),
];
test('carries every JSON value there and back', async (t) => {
  const node = await startNode(t);
  await node.agent({ name: 'echo' }, (input) => input);
  for (const value of values) {
    assert.deepEqual((await node.request('echo', value)).value, value);
  }
});

const integers = [0, 1, 2 ** 31, 2 ** 32 + 1, 2 ** 53 - 2, 2 ** 53 - 1];
test('integers are numbers up to 2^53 - 1, there and back', async (t) => {
  const node = await startNode(t);
  const other = await startNode(t, { home: node.testHome });
  const seen = [];
  await node.agent({ name: 'count', input: { type: 'integer' } }, async (n, ctx) => {
    seen.push(n);
    await ctx.usage({ inputTokens: Math.abs(n) });
    return { n, list: [n, -n] };
  });
  for (const caller of [node, other]) {
    for (const n of integers.flatMap((one) => [one, 0 - one])) {
      const { value, usage } = await caller.request('count', n, { waitMs: 20_000 });
      assert.deepEqual([seen.pop(), value], [n, { n, list: [n, 0 - n] }]);
      assert.equal(usage.inputTokens, Math.abs(n));
    }
  }
});

test('answers many requests at once', async (t) => {
  const node = await startNode(t);
  await node.agent({ name: 'double' }, async (n) => n * 2);
  const replies = await Promise.all(
    values.concat([...Array(200).keys()]).map((_, n) => node.request('double', n)),
  );
  replies.forEach((reply, n) => {
    assert.equal(reply.value, n * 2);
  });
});

test('a handler that fails is handler_failed with its text', async (t) => {
  const node = await startNode(t);
  await node.agent({ name: 'fail' }, async () => {
    throw new TypeError('broken on purpose');
  });
  const failed = isError({ kind: 'handler_failed', name: 'Rejected' });
  await assert.rejects(node.request('fail'), failed);
  await assert.rejects(node.request('fail'), /broken on purpose/);
  await assert.rejects(node.request('fail'), Rejected);
});

test('an error of Hubless thrown by a handler keeps kind and code', async (t) => {
  const node = await startNode(t);
  await node.agent({ name: 'refuse' }, () => {
    throw new HublessError({ kind: 'denied', code: 'not_today', message: 'no' });
  });
  await assert.rejects(node.request('refuse'), isError({ kind: 'denied', code: 'not_today' }));
});

test('what cannot be JSON fails on this side, in requests and in answers', async (t) => {
  const node = await startNode(t);
  await node.agent({ name: 'big' }, () => 10n);
  await assert.rejects(node.request('big', 1n), isError({ kind: 'invalid_argument' }));
  const loop = {};
  loop.loop = loop;
  await assert.rejects(node.request('big', loop), isError({ kind: 'invalid_argument' }));
  await assert.rejects(node.request('big'), isError({ kind: 'handler_failed' }));
});

class Words extends Map {
  toJSON() {
    return Object.fromEntries(this);
  }
}

class Point {
  constructor(x, y) {
    Object.assign(this, { x, y });
  }
}

/** What JSON.stringify would leave out, or of which it would leave out what is in it. */
const formless = {
  'a Map': new Map([['a', 1]]),
  'a Set': new Set([1]),
  'a Uint8Array': { bytes: Uint8Array.of(1) },
  'a Float64Array': Float64Array.of(0.5),
  'an ArrayBuffer': [new ArrayBuffer(1)],
  'a RegExp': /a/,
  'an Error': new Error('lost'),
  'a Promise': [Promise.resolve(1)],
  'a member that is a function': { deep: [{ f: () => 1 }] },
  'a member that is a symbol': { s: Symbol('s') },
  'a function in a list': [() => 1],
  'a data part of a Map': data(new Map([['a', 1]])),
  'metadata with a Set': new Content(['x'], { all: new Set([1]) }),
};
for (const [what, value] of Object.entries(formless)) {
  test(`${what} has no JSON form, and is refused in a request and in an answer`, async (t) => {
    const node = await startNode(t);
    let runs = 0;
    await node.agent({ name: 'gives' }, () => {
      runs += 1;
      return value;
    });
    const refused = isError({ kind: 'invalid_argument', field: 'content' });
    await assert.rejects(node.request('gives', value), refused);
    assert.equal(runs, 0);
    await assert.rejects(node.request('gives'), (error) => {
      assert.match(error.message, /the answer is wrong: .*expected what JSON can say, got an? /);
      return isError({ kind: 'handler_failed' })(error);
    });
    assert.equal(runs, 1);
  });
}

test('what has a JSON form arrives in it', async (t) => {
  const node = await startNode(t);
  await node.agent({ name: 'echo' }, (input) => input);
  for (const [value, form] of [
    [{ a: undefined, b: 1 }, { b: 1 }],
    [new Words([['a', 1]]), { a: 1 }],
    [{ at: new Date(0) }, { at: '1970-01-01T00:00:00.000Z' }],
    [new Point(1, 2), { x: 1, y: 2 }],
    [Object.assign(Object.create(null), { a: [null] }), { a: [null] }],
    [
      [new Number(1), new String('x')],
      [1, 'x'],
    ],
  ]) {
    assert.deepEqual((await node.request('echo', value)).value, form);
  }
});

test('text that is no Unicode is refused, NUL is carried', async (t) => {
  const node = await startNode(t);
  await node.agent({ name: 'echo' }, (input) => input);
  assert.equal((await node.request('echo', 'a\0b')).value, 'a\0b');
  const refused = isError({ kind: 'invalid_argument', field: 'content' });
  await assert.rejects(node.request('echo', '\ud800'), refused);
  assert.equal((await node.request('echo', 'still here')).value, 'still here');
});

test('nobody of that name is not_found', async (t) => {
  const node = await startNode(t);
  await assert.rejects(node.request('nobody', 1, { waitMs: 20 }), isError({ kind: 'not_found' }));
});

const wrong = [
  ['timeoutMs', { timeoutMs: 0 }],
  ['timeoutMs', { timeoutMs: -0.5 }],
  ['effect', { effect: 'SOMETIMES' }],
  ['conversationId', { conversationId: 'x'.repeat(65) }],
];
for (const [field, options] of wrong) {
  test(`a wrong ${field} is invalid_argument`, async (t) => {
    const node = await startNode(t);
    await node.agent({ name: 'echo' }, (input) => input);
    const refused = isError({ kind: 'invalid_argument', field });
    await assert.rejects(node.request('echo', 1, options), refused);
  });
}

test('a prompt comes before the content', async (t) => {
  const node = await startNode(t);
  await node.agent({ name: 'parts' }, (_, ctx) => ctx.content.parts.map((part) => part.text));
  const asked = { agent: 'parts', prompt: 'one', content: [text('two'), text('three')] };
  assert.deepEqual((await node.send(asked)).output.value, ['one', 'two', 'three']);
  const alone = await node.send({ agent: 'parts', prompt: 'one' });
  assert.deepEqual(alone.output.value, ['one']);
});

test('cancelling stops the handler and rejects', async (t) => {
  const node = await startNode(t);
  const started = deferred();
  const stopped = deferred();
  await node.agent({ name: 'slow' }, async (_input, ctx) => {
    ctx.signal.addEventListener('abort', () => stopped.resolve(ctx.signal.reason));
    started.resolve(ctx);
    await stopped.promise;
    return 'too late';
  });
  const controller = new AbortController();
  const request = node.request('slow', 1, { signal: controller.signal });
  const ctx = await started.promise;
  assert.equal(ctx.cancelled, false);
  const reason = new Error('changed my mind');
  controller.abort(reason);
  const cancelled = isError({ kind: 'cancelled', name: 'AbortError', cause: reason });
  await assert.rejects(request, cancelled);
  assert.equal((await stopped.promise).kind, 'cancelled');
  assert.equal(ctx.cancelled, true);
});

test('a signal that fired before rejects at once and calls nobody', async (t) => {
  const node = await startNode(t);
  let runs = 0;
  await node.agent({ name: 'count' }, () => ++runs);
  const request = node.request('count', 1, { signal: AbortSignal.abort() });
  await assert.rejects(request, isError({ kind: 'cancelled' }));
  assert.equal((await node.request('count')).value, 1);
});

test('the deadline ends the call and stops the handler', async (t) => {
  const node = await startNode(t);
  let totalMs = 80;
  let signal;
  await node.agent({ name: 'slow' }, (_input, ctx) => {
    assert.ok(ctx.remainingMs <= totalMs && ctx.deadline > new Date());
    signal = ctx.signal;
    return new Promise(() => {});
  });
  const late = isError({ kind: 'deadline', name: 'TimeoutError' });
  // Where the time is over before the handler has begun: once more, with twice as much.
  for (; !signal && totalMs < 20_000; totalMs *= 2) {
    await assert.rejects(node.request('slow', 1, { totalMs }), late);
  }
  await until(() => signal?.aborted, 'the handler to be stopped');
});

test('nested calls are children: depth, deadline, trace, cancellation', async (t) => {
  const node = await startNode(t);
  const inner = deferred();
  await node.agent({ name: 'inner' }, (_input, ctx) => {
    inner.resolve(ctx);
    return {
      depth: ctx.depth,
      left: ctx.remainingMs,
      trace: ctx.trace.traceparent,
      from: ctx.caller.agent,
    };
  });
  const outerAgent = await node.agent({ name: 'outer' }, async (_input, ctx) => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    return { depth: ctx.depth, inner: (await ctx.node.request('inner')).value };
  });
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const reply = await node.request('outer', 1, { totalMs: 5000, trace: { traceparent } });
  assert.equal(reply.value.depth, 0);
  assert.equal(reply.value.inner.depth, 1);
  assert.ok(reply.value.inner.left <= 5000);
  assert.equal(reply.value.inner.trace.split('-')[1], '0af7651916cd43dd8448eb211c80319c');
  assert.equal(reply.value.inner.from, outerAgent.agentId);
});

test('the end of a call cancels what its handler still runs', async (t) => {
  const node = await startNode(t);
  const started = deferred();
  let inner;
  await node.agent({ name: 'inner' }, (_input, ctx) => {
    started.resolve(ctx.signal);
    return new Promise(() => {});
  });
  await node.agent({ name: 'outer' }, async (_input, ctx) => {
    inner = ctx.node.request('inner').catch((error) => error);
    await started.promise;
    return 'done';
  });
  assert.equal((await node.request('outer')).value, 'done');
  assert.equal((await inner).kind, 'cancelled');
  const signal = await started.promise;
  await until(() => signal.aborted, 'the inner handler to be stopped');
});

test('send gives a refusal as data', async (t) => {
  const node = await startNode(t);
  await node.agent({ name: 'echo' }, (input) => input);
  await node.agent({ name: 'locked', requirements: { auth: { sharedSecret: 'x' } } }, () => 'in');
  const answered = await node.send({ agent: 'echo', prompt: 'hi' });
  assert.equal(answered.output.value, 'hi');
  assert.equal(answered.rejection, undefined);
  const refused = await node.send({ to: 'locked', content: 'hi' });
  assert.equal(refused.output, undefined);
  assert.ok(refused.rejection instanceof Rejected);
  assert.equal(refused.rejection.kind, 'auth');
  assert.equal(typeof refused.usage.calls, 'number');
});

test('two nodes of one home talk over the network', async (t) => {
  const first = await startNode(t);
  const second = await startNode(t, { home: first.testHome });
  await first.agent({ name: 'greet' }, (input) => `hello ${input}`);
  const reply = await second.request('greet', 'Ada', { waitMs: 20_000 });
  assert.equal(reply.value, 'hello Ada');
  assert.equal(reply.path, 'direct');
  assert.equal(reply.agent.nodeKey, first.nodeKey);
});

test('a retry repeats what the effect allows', async (t) => {
  const node = await startNode(t);
  let runs = 0;
  await node.agent({ name: 'flaky', effect: 'PURE' }, () => {
    runs += 1;
    if (runs < 3) throw new Error('not yet');
    return runs;
  });
  const retry = { attempts: 3, on: ['handler_failed'] };
  const reply = await node.request('flaky', 1, { effect: 'PURE', retry });
  assert.deepEqual([reply.value, reply.attempts], [3, 3]);
});

test('options that no node understands are refused at start', async () => {
  await assert.rejects(Node.start({ listen: 'nowhere:x' }), HublessError);
});

test('what is nested too deep is json, too_deep', async (t) => {
  const node = await startNode(t);
  await node.agent({ name: 'echo' }, (input) => input);
  // The last is more than any encoder of ours takes by itself.
  for (const levels of [65, 10_000, 200_000]) {
    let deep = [];
    for (let level = 1; level < levels; level++) deep = [deep];
    const limit = { name: 'JSON_DEPTH', value: (await limits()).JSON_DEPTH };
    const refused = isError({ kind: 'json', code: 'too_deep', field: 'content', limit });
    await assert.rejects(node.request('echo', deep), refused);
  }
});

test('a time is rounded up to whole milliseconds', async (t) => {
  const node = await startNode(t);
  await node.agent(
    { name: 'slow' },
    (_, ctx) =>
      new Promise((resolve) => {
        ctx.signal.addEventListener('abort', resolve, { once: true });
      }),
  );
  for (const times of [{ timeoutMs: 0.25 }, { totalMs: 0.25 }]) {
    await assert.rejects(node.request('slow', 1, times), isError({ kind: 'deadline' }));
  }
  const nobody = node.request('nobody', 1, { waitMs: 0.25 });
  await assert.rejects(nobody, isError({ kind: 'not_found' }));
  assert.deepEqual(await node.find({ skill: 'none' }, { waitMs: 0.25 }), []);
});
