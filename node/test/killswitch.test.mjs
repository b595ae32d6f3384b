/** Switches: their limits, their stop and who is told of it, how requests come under one. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HublessError, KillSwitch, tool } from 'hubless';
import { deferred, freshHome, isError, makeSwitch, run, startNode, until } from './support.mjs';

const NOTHING = { inputTokens: 0, outputTokens: 0, costMicros: 0, calls: 0 };
const UNLIMITED = { inputTokens: null, outputTokens: null, costMicros: null, calls: null };

async function echoing(t, options) {
  const node = await startNode(t, options);
  await node.agent({ name: 'echo', spends: 'none' }, (input) => input);
  return node;
}

test('a switch is made without a node, armed, with everything left', (t) => {
  const killSwitch = makeSwitch(t, { outputTokens: 7, calls: 5, wallTimeMs: 60_000 });
  assert.equal(killSwitch.state, 'armed');
  assert.equal(killSwitch.stop, undefined);
  assert.equal(killSwitch.tree(), undefined);
  assert.deepEqual(killSwitch.spent, NOTHING);
  assert.deepEqual(killSwitch.overrun, NOTHING);
  assert.deepEqual(killSwitch.remaining, { ...UNLIMITED, outputTokens: 7, calls: 5 });
});

const notAmounts = [
  -1,
  0.5,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  2 ** 53,
  1e20,
  '5',
  true,
  5n,
  [5],
  { calls: 5 },
  () => 5,
  Symbol('5'),
];
const fields = [...Object.keys(NOTHING), 'wallTimeMs', 'depth', 'fanOut', 'leaseMs'];
for (const field of fields) {
  test(`what is no amount is refused as ${field}`, () => {
    for (const wrong of notAmounts) {
      const make = () => new KillSwitch({ unlimited: true, [field]: wrong });
      assert.throws(make, isError({ kind: 'invalid_argument', code: 'amount', field }));
    }
  });
}

test('what is no amount is refused inside soft, max and the budget of orphans', async (t) => {
  const node = await echoing(t);
  const refused = (field) => isError({ kind: 'invalid_argument', code: 'amount', field });
  for (const wrong of notAmounts) {
    const soft = () => new KillSwitch({ calls: 5, soft: { calls: wrong } });
    assert.throws(soft, refused('soft.calls'));
    const killSwitch = makeSwitch(t, { calls: 5 });
    const request = node.request('echo', 1, { killSwitch, max: { calls: wrong } });
    await assert.rejects(request, refused('max.calls'));
    assert.equal(killSwitch.spent.calls, 0);
    const orphans = { ownBudget: { calls: wrong } };
    await assert.rejects(startNode(t, { orphans }), refused('orphans.ownBudget.calls'));
  }
});

test('limits that are none at all are refused', () => {
  const refused = (more) => isError({ kind: 'invalid_argument', ...more });
  for (const none of [undefined, null, {}, { calls: null }, { calls: undefined }, 5, true]) {
    assert.throws(() => new KillSwitch(none), refused({ code: 'unlimited', field: 'unlimited' }));
  }
  assert.throws(() => new KillSwitch({ call: 5 }), refused({ field: 'call' }));
  assert.throws(() => new KillSwitch('calls'), refused());
  assert.throws(() => new KillSwitch({ calls: 5, soft: 3 }), refused({ field: 'soft' }));
  assert.throws(() => new KillSwitch({ calls: 5, unlimited: true }), refused());
  assert.throws(() => new KillSwitch({ strict: true }), refused({ code: 'unlimited' }));
  for (const strict of ['yes', 1, [], 5n]) {
    assert.throws(() => new KillSwitch({ calls: 5, strict }), refused({ field: 'strict' }));
  }
});

test('null is not limited, zero refuses everything, the greatest amount is taken', async (t) => {
  const node = await echoing(t);
  const ask = (terms) => node.request('echo', 1, { killSwitch: makeSwitch(t, terms) });
  assert.equal((await ask({ calls: null, inputTokens: 2 ** 53 - 1, soft: null })).value, 1);
  assert.equal((await ask({ unlimited: true })).value, 1);
  assert.equal((await ask({ calls: -0 + 1 })).value, 1);
  await assert.rejects(ask({ calls: 0 }), isError({ kind: 'budget_exhausted' }));
  await assert.rejects(ask({ calls: -0 }), isError({ kind: 'budget_exhausted' }));
});

test('the first stop stands and refuses what comes after', async (t) => {
  const node = await echoing(t);
  const killSwitch = makeSwitch(t, { calls: 5 });
  const before = Date.now();
  killSwitch.trip();
  killSwitch.trip('wall_time');
  const { reason, by, at } = killSwitch.stop;
  assert.deepEqual([killSwitch.state, reason, by], ['tripped', 'operator', null]);
  assert.ok(at instanceof Date && at >= before - 1 && at <= Date.now() + 1, `${at}`);
  const refused = isError({ kind: 'killed', code: 'operator' });
  await assert.rejects(node.request('echo', 1, { killSwitch }), refused);
});

test('a reason that is none is refused and stops nothing', (t) => {
  const killSwitch = makeSwitch(t, { calls: 5 });
  for (const reason of ['nonsense', '', 5]) {
    assert.throws(() => killSwitch.trip(reason), HublessError);
  }
  assert.equal(killSwitch.state, 'armed');
  killSwitch.trip('cost_exceeded');
  assert.equal(killSwitch.stop.reason, 'cost_exceeded');
});

test('a trip cancels a handler, fails the request with killed, and says who did it', async (t) => {
  const node = await startNode(t);
  const started = deferred();
  await node.agent({ name: 'waits' }, (_input, ctx) => {
    started.resolve(ctx.signal);
    return new Promise(() => {});
  });
  const killSwitch = makeSwitch(t, { calls: 5 });
  const request = node.request('waits', 1, { killSwitch });
  const signal = await started.promise;
  assert.equal(signal.aborted, false);
  killSwitch.trip();
  await assert.rejects(request, isError({ kind: 'killed', code: 'operator' }));
  await until(() => signal.aborted, 'the handler to be cancelled');
  assert.equal(signal.reason.kind, 'killed');
  assert.equal(killSwitch.stop.by, node.nodeKey);
});

for (const where of ['in the same node', 'at another node']) {
  test(`a handler stops what is below it ${where}, and nothing else`, async (t) => {
    const node = await startNode(t);
    const other = where === 'in the same node' ? node : await startNode(t, { home: node.testHome });
    const signals = [];
    await other.agent({ name: 'waits' }, async (_input, ctx) => {
      await ctx.spend({});
      signals.push(ctx.signal);
      return new Promise(() => {});
    });
    const belowRuns = deferred();
    const own = deferred();
    await node.agent({ name: 'halts' }, async (_input, ctx) => {
      await ctx.spend({ maxOutput: 100 }, (spend) => spend.used({ output: 60 }));
      own.resolve(ctx.signal);
      const below = node.request('waits', 1, { waitMs: 20_000 });
      below.catch(() => {});
      await belowRuns.promise;
      await ctx.trip();
      // A handler that is over has nothing left to be cancelled.
      await until(() => ctx.signal.aborted, 'the handler to be cancelled');
      return 'nobody gets this';
    });
    const killSwitch = makeSwitch(t, { outputTokens: 4000 });
    const killed = isError({ kind: 'killed', code: 'operator' });
    const ask = (name) => node.request(name, 1, { killSwitch, waitMs: 20_000 });
    const beside = assert.rejects(ask('waits'), killed);
    await until(() => signals.length === 1, 'what is beside it to run');
    const halted = assert.rejects(ask('halts'), killed);
    await until(() => signals.length === 2, 'what is below it to run');
    belowRuns.resolve();
    await halted;
    await until(() => signals[1].aborted, 'what is below it to be cancelled');
    const signal = await own.promise;
    await until(() => signal.aborted, 'the handler itself to be cancelled');
    assert.deepEqual([signal.reason.kind, signals[1].reason.kind], ['killed', 'killed']);
    await until(() => killSwitch.spent.outputTokens === 60, 'its last word');
    assert.deepEqual([killSwitch.state, signals[0].aborted], ['armed', false]);
    // The rest is there for others.
    const again = assert.rejects(ask('waits'), killed);
    await until(() => signals.length === 3, 'another one to run');
    killSwitch.trip();
    await Promise.all([beside, again]);
  });
}

test('a call without a budget has nothing to stop', async (t) => {
  const node = await startNode(t);
  await node.agent({ name: 'bare' }, async (_input, ctx) => {
    await assert.rejects(ctx.trip(), isError({ kind: 'not_found', code: 'grant' }));
    return ctx.signal.aborted;
  });
  assert.equal((await node.request('bare', 1)).value, false);
});

test('the wall time stops what runs', async (t) => {
  const node = await startNode(t);
  await node.agent({ name: 'waits' }, () => new Promise(() => {}));
  const killSwitch = makeSwitch(t, { wallTimeMs: 50 });
  const request = node.request('waits', 1, { killSwitch });
  await assert.rejects(request, isError({ kind: 'killed', code: 'wall_time' }));
});

test('each listener is told once, before or after the stop, whatever the others do', async (t) => {
  const warnings = [];
  const warned = ({ message }) => warnings.push(message);
  process.on('warning', warned);
  t.after(() => process.off('warning', warned));
  const killSwitch = makeSwitch(t, { calls: 5 });
  const told = [];
  killSwitch.onTripped(() => {
    throw new Error('thrown on purpose');
  });
  killSwitch.onTripped(() => Promise.reject(new Error('rejected on purpose')));
  killSwitch.onTripped(() => new Promise(() => {}));
  killSwitch.onTripped((stop) => told.push(['before', stop.reason]));
  killSwitch.trip('depth');
  killSwitch.trip('fan_out');
  await until(() => told.length > 0, 'the listener to be told');
  killSwitch.onTripped((stop) => told.push(['after', stop.reason]));
  assert.equal(told.length, 1);
  await until(() => told.length > 1 && warnings.length > 1, 'everybody to be told');
  assert.deepEqual(told, [
    ['before', 'depth'],
    ['after', 'depth'],
  ]);
  assert.match(warnings.join(), /thrown on purpose.*rejected on purpose/);
  assert.equal(killSwitch.state, 'tripped');
});

test('a listener that blocks holds up neither the trip nor other processes', async (t) => {
  const home = freshHome(t);
  const other = run(t, 'test/programs/budgeted.mjs', { home });
  assert.equal(await other.nextLine(), 'ready');
  const node = await startNode(t, { home });
  const killSwitch = makeSwitch(t, { calls: 5 });
  let blockedUntil = 0;
  killSwitch.onTripped(() => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
    blockedUntil = Date.now();
  });
  const request = node.request('waits', 1, { killSwitch, waitMs: 20_000 });
  const failed = assert.rejects(request, isError({ kind: 'killed', code: 'operator' }));
  assert.equal(await other.nextLine(), 'started');
  killSwitch.trip();
  await failed;
  const { kind, at } = JSON.parse(await other.nextLine());
  assert.equal(kind, 'killed');
  await until(() => blockedUntil > 0, 'the listener to end');
  assert.ok(at < blockedUntil, `cancelled ${at - blockedUntil} ms after the listener ended`);
});

test('a budget is drawn on by another process, exactly', async (t) => {
  const home = freshHome(t);
  const other = run(t, 'test/programs/budgeted.mjs', { home });
  assert.equal(await other.nextLine(), 'ready');
  const node = await startNode(t, { home });
  const killSwitch = makeSwitch(t, { outputTokens: 1000, calls: 5 });
  const reply = await node.request('spends', 30, { killSwitch, waitMs: 20_000 });
  assert.equal(reply.value, 250);
  assert.equal(reply.path, 'direct');
  assert.deepEqual([reply.usage.outputTokens, reply.usage.chargedInFull], [30, false]);
  await until(() => killSwitch.spent.outputTokens === 30, 'the last word of the other node');
  assert.deepEqual(killSwitch.remaining, { ...UNLIMITED, outputTokens: 970, calls: 4 });
  const [branch] = killSwitch.tree().children;
  assert.equal(branch.nodeKey, reply.agent.nodeKey);
  assert.deepEqual([branch.state, branch.used.outputTokens], ['settled', 30]);
  // Under a strict one each lease of the other process is the word of this node.
  const strict = makeSwitch(t, { outputTokens: 1000, calls: 5, strict: true });
  assert.equal((await node.request('spends', 30, { killSwitch: strict })).value, 250);
  await until(() => strict.spent.outputTokens === 30, 'the last word of the other node');
});

const ways = {
  request: (node, options) => node.request('echo', 1, options),
  send: (node, options) => node.send({ to: 'echo', content: 1, ...options }),
  'the short form': (node, options) => node.send({ agent: 'echo', content: 1, ...options }),
  stream: (node, options) => node.stream('echo', 1, options).reply(),
  'a peer': async (node, options) => (await node.peer('echo')).request(1, options),
  'a peer under it': async (node, { killSwitch, ...options }) =>
    (await node.peer('echo')).with(killSwitch).request(1, options),
  'a stream of a peer under it': async (node, { killSwitch, ...options }) =>
    (await node.peer('echo')).with(killSwitch).stream(1, options).reply(),
  'a callable of a peer under it': async (node, { killSwitch, ...options }) =>
    (await node.peer('echo')).with(killSwitch).callable()(1, options),
};
for (const [way, ask] of Object.entries(ways)) {
  test(`a switch pays for ${way}, with at most what is said`, async (t) => {
    const node = await startNode(t);
    let granted;
    await node.agent({ name: 'echo' }, (input, ctx) => {
      granted = ctx.granted;
      return input;
    });
    const killSwitch = makeSwitch(t, { inputTokens: 400, calls: 3 });
    await ask(node, { killSwitch });
    assert.equal(granted.inputTokens, 100);
    await ask(node, { killSwitch, max: { inputTokens: 9, outputTokens: null } });
    assert.deepEqual(granted, { ...UNLIMITED, inputTokens: 9, calls: granted.calls });
    await until(() => killSwitch.spent.calls === 2, 'both calls to be counted');
    await node.request('echo', 1);
    assert.equal(granted, undefined);
    assert.equal(killSwitch.spent.calls, 2);
  });
}

test('a refusal under a switch is data for send and thrown by the others', async (t) => {
  const node = await echoing(t);
  const killSwitch = makeSwitch(t, { calls: 0 });
  const { rejection } = await node.send({ agent: 'echo', prompt: 'x', killSwitch });
  assert.equal(rejection.kind, 'budget_exhausted');
  const stream = node.stream('echo', 1, { killSwitch: makeSwitch(t, { calls: 0 }) });
  await assert.rejects(stream.reply(), isError({ kind: 'budget_exhausted' }));
});

test('a peer under a switch is the same agent, and options name another switch', async (t) => {
  const node = await echoing(t);
  const [first, second] = [makeSwitch(t, { calls: 5 }), makeSwitch(t, { calls: 5 })];
  const peer = await node.peer('echo');
  const under = peer.with(first);
  assert.deepEqual({ ...under }, { ...peer });
  await under.request(1, { killSwitch: second });
  await under.request(1);
  await peer.request(1);
  assert.deepEqual([first.spent.calls, second.spent.calls], [1, 1]);
});

test('what is no switch pays for nothing, and nothing runs', async (t) => {
  const node = await echoing(t);
  const closed = makeSwitch(t, { calls: 5 });
  closed.close();
  const wrong = isError({ kind: 'invalid_argument', field: 'killSwitch' });
  for (const killSwitch of [null, {}, 5, 'x', Object.create(KillSwitch.prototype)]) {
    await assert.rejects(node.request('echo', 1, { killSwitch }), wrong);
  }
  await assert.rejects(
    node.request('echo', 1, { killSwitch: closed }),
    isError({ kind: 'closed' }),
  );
  const max = { calls: 1 };
  const alone = isError({ kind: 'invalid_argument', field: 'max' });
  await assert.rejects(node.request('echo', 1, { max }), alone);
});

test('a switch is used by one node', async (t) => {
  const node = await echoing(t);
  const other = await startNode(t, { home: node.testHome });
  const killSwitch = makeSwitch(t, { calls: 5 });
  await node.request('echo', 1, { killSwitch });
  const refused = isError({ kind: 'configuration', code: 'other_node' });
  await assert.rejects(other.request('echo', 1, { killSwitch }), refused);
});

test('a tool asks under the switch of the request that offers it', async (t) => {
  const node = await echoing(t);
  const pass = (_input, ctx) => ctx.spend({}, () => ctx.callTool('echoes', {}));
  await node.agent({ name: 'uses' }, pass);
  const run = async () => (await node.request('echo', 'from the tool')).value;
  const tools = [tool({ name: 'echoes', run })];
  const killSwitch = makeSwitch(t, { calls: 5 });
  const reply = await node.request('uses', 1, { killSwitch, tools });
  assert.equal(reply.value, 'from the tool');
  assert.equal(killSwitch.spent.calls, 2);
});

test('many requests at once never get more calls than there are', async (t) => {
  const node = await startNode(t);
  let runs = 0;
  await node.agent({ name: 'counts' }, () => {
    runs += 1;
  });
  const killSwitch = makeSwitch(t, { calls: 5 });
  const asked = Array.from({ length: 32 }, () => node.request('counts', 1, { killSwitch }));
  const outcomes = await Promise.allSettled(asked);
  const kinds = outcomes.map(({ reason }) => reason?.kind ?? 'ok');
  assert.deepEqual([...new Set(kinds)].sort(), ['budget_exhausted', 'ok']);
  const answered = kinds.filter((kind) => kind === 'ok').length;
  assert.deepEqual([runs, killSwitch.spent.calls], [answered, answered]);
  // What was set aside for calls below them is free again.
  for (let n = answered; n < 5; n++) await node.request('counts', 1, { killSwitch });
  const sixth = node.request('counts', 1, { killSwitch });
  await assert.rejects(sixth, isError({ kind: 'budget_exhausted', code: 'calls_exceeded' }));
  assert.deepEqual([runs, killSwitch.spent.calls], [5, 5]);
  assert.deepEqual([killSwitch.state, killSwitch.stop.reason], ['tripped', 'calls_exceeded']);
});
