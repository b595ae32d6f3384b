/** Spendings of handlers: set aside, said, or charged in full. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deferred, isError, makeSwitch, startNode, until } from './support.mjs';

const TERMS = { inputTokens: 400, outputTokens: 400, costMicros: 400 };

/** Runs a handler under a switch; gives what was spent when its last word has come. */
async function under(t, handler, terms = TERMS) {
  const node = await startNode(t);
  await node.agent({ name: 'spends' }, handler);
  const killSwitch = makeSwitch(t, terms);
  const { value, error, usage } = await node.request('spends', 1, { killSwitch }).then(
    (reply) => reply,
    (failed) => ({ error: failed }),
  );
  const settled = () => killSwitch.tree().children.every(({ state }) => state === 'settled');
  await until(settled, 'the last word of the call');
  const { inputTokens, outputTokens, costMicros } = killSwitch.spent;
  return { value, error, usage, killSwitch, spent: [inputTokens, outputTokens, costMicros] };
}

test('what was said is charged, counts in the usage, and the rest is free again', async (t) => {
  const done = await under(t, async (_input, ctx) => {
    const first = await ctx.spend({ maxInput: 90, maxOutput: 80, maxCost: 70 }, (spend) => {
      spend.used({ input: 9, output: 8, cost: 7 });
      return 'first';
    });
    return [first, await ctx.spend({ maxInput: 90 }, (spend) => spend.used({}))];
  });
  assert.deepEqual(done.value, ['first', null]);
  assert.deepEqual(done.spent, [9, 8, 7]);
  const { inputTokens, outputTokens, costMicros, chargedInFull } = done.usage;
  assert.deepEqual([inputTokens, outputTokens, costMicros, chargedInFull], [9, 8, 7, false]);
});

const silent = {
  'at its end': (spend) => spend,
  'by an exception': () => {
    throw new Error('on purpose');
  },
  'by a rejection': () => Promise.reject(new Error('on purpose')),
  'by close': (spend) => spend.close(),
};
for (const [how, work] of Object.entries(silent)) {
  test(`a scope left without a word ${how} is charged in full`, async (t) => {
    const done = await under(t, async (_input, ctx) => {
      const most = { maxInput: 30, maxOutput: 20, maxCost: 10 };
      let left;
      const outcome = ctx.spend(most, (spend) => {
        left = spend;
        return work(spend);
      });
      await outcome.catch(() => {});
      assert.throws(() => left.used({ input: 1 }), isError({ field: 'spend' }));
      await ctx.spend({ maxInput: 70 }, (spend) => spend.used({ input: 1 }));
      await assert.rejects(ctx.spend({ maxInput: 70 }), isError({ kind: 'budget_exhausted' }));
    });
    assert.equal(done.error, undefined);
    assert.deepEqual(done.spent, [31, 20, 10]);
  });
}

test('one that was never ended is charged in full at the end of its call', async (t) => {
  const done = await under(t, async (_input, ctx) => {
    await ctx.spend({ maxOutput: 20 });
  });
  assert.deepEqual(done.spent, [0, 20, 0]);
  assert.equal(done.usage.chargedInFull, false);
});

test('a cancelled handler is charged what it had set aside', async (t) => {
  const node = await startNode(t);
  const open = deferred();
  await node.agent({ name: 'spends' }, (_input, ctx) =>
    ctx.spend({ maxOutput: 20 }, async () => {
      open.resolve();
      await new Promise((_, reject) => {
        ctx.signal.addEventListener('abort', () => reject(ctx.signal.reason));
      });
    }),
  );
  const killSwitch = makeSwitch(t, { outputTokens: 400 });
  const aborter = new AbortController();
  const request = node.request('spends', 1, { killSwitch, signal: aborter.signal });
  await open.promise;
  aborter.abort();
  await assert.rejects(request, isError({ kind: 'cancelled' }));
  await until(() => killSwitch.spent.outputTokens === 20, 'the charge');
});

test('a handler that says nothing at all is charged all that it was granted', async (t) => {
  const done = await under(t, () => 'quiet');
  assert.deepEqual(done.spent, [100, 100, 100]);
  assert.equal(done.usage.chargedInFull, true);
});

test('a handler that only calls others says so', async (t) => {
  const done = await under(t, async (_input, ctx) => {
    await ctx.spend({});
    return ctx.granted;
  });
  assert.deepEqual(done.spent, [0, 0, 0]);
  const granted = { inputTokens: 100, outputTokens: 100, costMicros: 100, calls: null };
  assert.deepEqual(done.value, granted);
});

test('it is said once, and a wrong word can be said again', async (t) => {
  const done = await under(t, async (_input, ctx) => {
    const spend = await ctx.spend({ maxInput: 50 });
    for (const wrong of [-1, 0.5, Number.NaN, 1e20, '5', true, null, 5n, () => 5]) {
      const amount = { kind: 'invalid_argument', code: 'amount', field: 'inputTokens' };
      assert.throws(() => spend.used({ input: wrong }), isError(amount));
    }
    const unknown = { kind: 'invalid_argument', field: 'inputTokens' };
    assert.throws(() => spend.used({ inputTokens: 5 }), isError(unknown));
    spend.used({ input: 5 });
    const twice = isError({ kind: 'invalid_argument', field: 'spend' });
    assert.throws(() => spend.used({ input: 5 }), twice);
    spend.close();
    const closed = await ctx.spend({ maxInput: 1 });
    closed[Symbol.dispose]();
    assert.throws(() => closed.used({}), twice);
  });
  assert.equal(done.error, undefined);
  assert.deepEqual(done.spent, [6, 0, 0]);
});

test('what is no amount is not set aside', async (t) => {
  const done = await under(t, async (_input, ctx) => {
    for (const wrong of [-1, 0.5, Number.NaN, 1e20, '5', true, null, 5n, () => 5]) {
      const amount = { kind: 'invalid_argument', code: 'amount', field: 'outputTokens' };
      await assert.rejects(ctx.spend({ maxOutput: wrong }), isError(amount));
    }
    for (const field of ['inputTokens', 'calls', 'maxCalls']) {
      const unknown = { kind: 'invalid_argument', field };
      await assert.rejects(ctx.spend({ [field]: 1 }), isError(unknown));
    }
    await ctx.spend({});
  });
  assert.equal(done.error, undefined);
  assert.deepEqual(done.spent, [0, 0, 0]);
});

test('more than was granted is refused before it begins', async (t) => {
  const done = await under(t, async (_input, ctx) => {
    await ctx.spend({ maxInput: 100 }, (spend) => spend.used({}));
    await ctx.spend({ maxInput: 101 });
  });
  assert.equal(done.error.kind, 'budget_exhausted');
  assert.deepEqual(done.spent, [0, 0, 0]);
});

test('more than was set aside is charged as it is and trips the switch', async (t) => {
  const done = await under(t, (_input, ctx) =>
    ctx.spend({ maxInput: 10 }, (spend) => spend.used({ input: 150 })),
  );
  await until(() => done.killSwitch.state === 'tripped', 'the trip');
  assert.equal(done.killSwitch.stop.reason, 'input_exceeded');
});

test('after the call nothing more is set aside or said', async (t) => {
  let left;
  const done = await under(t, async (_input, ctx) => {
    left = { ctx, spend: await ctx.spend({ maxInput: 3 }) };
  });
  assert.deepEqual(done.spent, [3, 0, 0]);
  assert.throws(() => left.spend.used({ input: 1 }), isError({ field: 'spend' }));
  left.spend.close();
  await assert.rejects(left.ctx.spend({}), isError({ kind: 'closed' }));
});

test('without a budget it only counts in the usage', async (t) => {
  const node = await startNode(t);
  await node.agent({ name: 'spends' }, async (_input, ctx) => {
    await ctx.spend({ maxInput: 1_000_000 }, (spend) => spend.used({ input: 12 }));
    return ctx.granted === undefined;
  });
  const { value, usage } = await node.request('spends');
  assert.equal(value, true);
  assert.deepEqual([usage.inputTokens, usage.chargedInFull], [12, false]);
});
