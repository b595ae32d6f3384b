/** What belongs to a call or a switch without being told so, and what must not. */

import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import { current, tool } from 'hubless';
import { deferred, freshHome, isError, makeSwitch, startNode, until } from './support.mjs';

/** A node whose agent `budget` tells what it was granted, null without a budget. */
async function telling(t, options) {
  const node = await startNode(t, options);
  const handler = (_input, ctx) => ctx.granted?.calls ?? null;
  await node.agent({ name: 'budget', spends: 'none' }, handler);
  return node;
}

async function granted(node, options) {
  return (await node.request('budget', 1, options)).value;
}

test('what is asked inside run is under the switch, also later, and nothing outside', async (t) => {
  const node = await telling(t);
  const killSwitch = makeSwitch(t, { calls: 400 });
  const inside = await killSwitch.run(async () => {
    const first = await granted(node);
    await new Promise((resolve) => setTimeout(resolve, 5));
    const parallel = await Promise.all([1, 2, 3].map(() => granted(node)));
    const [peer] = await node.find('budget');
    const streamed = await node.stream('budget').reply();
    const { output } = await node.send({ agent: 'budget', content: 1 });
    return [first, ...parallel, (await peer.request(1)).value, streamed.value, output.value];
  });
  assert.ok(inside.every((calls) => calls !== null && calls <= 100));
  assert.equal(inside.length, 7);
  assert.equal(killSwitch.spent.calls, 7);
  assert.equal(await granted(node), null);
  assert.equal(killSwitch.spent.calls, 7);
});

test('run gives what the function gives and throws what it throws', (t) => {
  const killSwitch = makeSwitch(t, { calls: 5 });
  assert.equal(
    killSwitch.run(() => 7),
    7,
  );
  const broken = () =>
    killSwitch.run(() => {
      throw new RangeError('on purpose');
    });
  assert.throws(broken, RangeError);
  killSwitch.close();
  assert.throws(() => killSwitch.run(() => 7), isError({ kind: 'closed' }));
});

test('the innermost switch pays, unless a request names another', async (t) => {
  const node = await telling(t);
  const [outer, inner, named] = [1, 2, 3].map(() => makeSwitch(t, { calls: 9 }));
  await outer.run(async () => {
    await inner.run(() => granted(node));
    await granted(node, { killSwitch: named });
    await granted(node);
  });
  const spent = [outer, inner, named].map((killSwitch) => killSwitch.spent.calls);
  assert.deepEqual(spent, [1, 1, 1]);
});

test('the budget of a call pays for what its handler asks, whatever it is under', async (t) => {
  const node = await telling(t);
  const killSwitch = makeSwitch(t, { calls: 9 });
  const other = makeSwitch(t, { calls: 9 });
  await node.agent({ name: 'outer' }, async (_input, ctx) => {
    await ctx.spend({});
    await other.run(() => granted(node));
    return granted(node, { killSwitch });
  });
  const second = isError({ kind: 'configuration', code: 'second_budget' });
  await node.request('outer', 1, { killSwitch });
  await assert.rejects(node.request('outer', 1, { killSwitch: other }), second);
  assert.equal(killSwitch.spent.calls, 3);
  assert.equal(other.spent.calls, 2);
});

test('a handler of a call without a budget can put its own requests under a switch', async (t) => {
  const node = await telling(t);
  const killSwitch = makeSwitch(t, { calls: 9 });
  await node.agent({ name: 'outer' }, () => killSwitch.run(() => granted(node)));
  assert.equal((await node.request('outer')).value, 2);
  assert.equal(killSwitch.spent.calls, 1);
});

test('a parent that is named counts as the call being handled', async (t) => {
  const node = await telling(t);
  const killSwitch = makeSwitch(t, { calls: 9 });
  const other = makeSwitch(t, { calls: 9 });
  const calls = new EventEmitter();
  const answered = deferred();
  calls.on('call', (parent) => answered.resolve(other.run(() => granted(node, { parent }))));
  await node.agent({ name: 'outer' }, async (_input, ctx) => {
    await ctx.spend({});
    setImmediate(() => calls.emit('call', ctx));
    return answered.promise;
  });
  await node.request('outer', 1, { killSwitch });
  assert.deepEqual([killSwitch.spent.calls, other.spent.calls], [2, 0]);
});

test('handlers are under no switch of whoever started the node or registered them', async (t) => {
  const home = freshHome(t);
  // The nodes are closed after the switch, as what is made first.
  await startNode(t, { home });
  const killSwitch = makeSwitch(t, { calls: 50 });
  const seen = [];
  const look = async (what, node) => seen.push([what, await granted(node), current()]);
  const node = await killSwitch.run(async () => {
    const started = await telling(t, { home });
    const requirements = {
      auth: async () => {
        await look('auth', started);
        return true;
      },
      maxTokens: 9,
      tokenCounter: async () => {
        await look('counter', started);
        return 1;
      },
    };
    await started.agent({ name: 'asks', requirements }, async () => granted(started));
    return started;
  });
  const auth = { scheme: 'custom', secret: 'shown' };
  assert.equal((await node.request('asks', 'words', { auth })).value, null);
  assert.ok((await killSwitch.run(() => granted(node))) > 0);
  assert.deepEqual(seen.map(([what]) => what).sort(), ['auth', 'counter']);
  for (const [what, calls, call] of seen) assert.deepEqual([calls, call], [null, undefined], what);
  assert.equal(killSwitch.spent.calls, 1);
});

test('a listener runs under no switch, where others may be asked for help', async (t) => {
  const node = await telling(t);
  const killSwitch = makeSwitch(t, { calls: 9 });
  const answers = [];
  killSwitch.run(() => killSwitch.onTripped(async () => answers.push(await granted(node))));
  killSwitch.trip();
  await until(() => answers.length > 0, 'the listener to have an answer');
  assert.deepEqual(answers, [null]);
});

test('a tool runs under the switch that its request was made under', async (t) => {
  const node = await telling(t);
  await node.agent({ name: 'uses' }, (_input, ctx) => ctx.callTool('asks', {}));
  const killSwitch = makeSwitch(t, { calls: 400 });
  const tools = [tool({ name: 'asks', run: () => granted(node) })];
  const { value } = await killSwitch.run(() => node.request('uses', 1, { tools }));
  assert.ok(value > 0, `${value} calls`);
  assert.equal(killSwitch.spent.calls, 2);
});

/** Ways in which a handler loses its call, each made before any call. */
const traps = {
  'a listener of an emitter': (node) => {
    const emitter = new EventEmitter();
    emitter.on('ask', (answer) => answer(granted(node)));
    return (answer) => emitter.emit('ask', answer);
  },
  'a pool of its own': (node, t) => {
    const jobs = [];
    let wake = deferred();
    const work = async () => {
      for (;;) {
        await wake.promise;
        wake = deferred();
        for (const answer of jobs.splice(0)) answer?.(granted(node));
        if (ended) return;
      }
    };
    let ended = false;
    work();
    t.after(() => {
      ended = true;
      wake.resolve();
    });
    return (answer) => {
      jobs.push(answer);
      wake.resolve();
    };
  },
  'a timer': (node, t) => {
    const jobs = [];
    const timer = setInterval(() => {
      for (const answer of jobs.splice(0)) answer(granted(node));
    }, 5);
    t.after(() => clearInterval(timer));
    return (answer) => jobs.push(answer);
  },
};

/** Runs a trap in a handler with a budget; what came of it, and the calls that were spent. */
async function spring(t, make, options) {
  const node = await telling(t, options);
  const trap = make(node, t);
  await node.agent({ name: 'stray' }, async (_input, ctx) => {
    await ctx.spend({});
    const outcome = await new Promise((answer) => trap(answer)).catch((error) => error);
    if (outcome instanceof Error && outcome.code !== 'orphan') throw outcome;
    return outcome instanceof Error ? 'refused' : outcome === null ? 'free' : 'drawn';
  });
  const killSwitch = makeSwitch(t, { calls: 64 });
  const { value } = await node.request('stray', 1, { killSwitch });
  await until(() => killSwitch.spent.calls > 0, 'the call to be counted');
  return { value, calls: killSwitch.spent.calls };
}

const expected = {
  'a listener of an emitter': { value: 'drawn', calls: 2 },
  'a pool of its own': { value: 'refused', calls: 1 },
  'a timer': { value: 'refused', calls: 1 },
};
for (const [name, make] of Object.entries(traps)) {
  test(`what is asked through ${name} is never free`, async (t) => {
    assert.deepEqual(await spring(t, make), expected[name]);
  });
  const { value, calls } = expected[name];
  const free = value === 'refused' ? { value: 'free', calls } : { value, calls };
  test(`with orphans allowed it is ${free.value} through ${name}`, async (t) => {
    assert.deepEqual(await spring(t, make, { orphans: 'allow' }), free);
  });
}

test('another node of the process is no way out of a budget', async (t) => {
  const home = freshHome(t);
  const node = await telling(t, { home });
  const other = await startNode(t, { home });
  await node.agent({ name: 'through' }, async (_input, ctx) => {
    await ctx.spend({});
    return granted(other).then(
      () => 'answered',
      (error) => error.code,
    );
  });
  const killSwitch = makeSwitch(t, { calls: 64 });
  const paid = await node.request('through', 1, { killSwitch });
  assert.deepEqual([paid.value, killSwitch.spent.calls], ['other_node', 1]);
  assert.equal((await node.request('through', 1)).value, 'answered');
});

test('orphans can run under a budget of their own', async (t) => {
  const options = { orphans: { ownBudget: { calls: 8, outputTokens: null } } };
  const { value, calls } = await spring(t, traps['a timer'], options);
  assert.deepEqual([value, calls], ['drawn', 1]);
});

test('without a budget anywhere nothing is an orphan', async (t) => {
  const node = await telling(t);
  const trap = traps['a timer'](node, t);
  await node.agent({ name: 'stray' }, () => new Promise((answer) => trap(answer)));
  assert.equal((await node.request('stray')).value, null);
});

test('orphans that are none of the words are refused', async (t) => {
  const wrong = isError({ kind: 'invalid_argument', field: 'orphans' });
  for (const orphans of ['deny', 5, {}, { calls: 5 }]) {
    await assert.rejects(startNode(t, { orphans }), wrong);
  }
});
