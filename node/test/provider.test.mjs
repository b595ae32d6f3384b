/** Base URL and key of a node's gateway in handlers; nobody listens there. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Node } from 'hubless';
import { isError, makeSwitch, startNode } from './support.mjs';

const gateway = 'http://127.0.0.1:9/v1';
// A key of a root whose seed is 32 times 1.
const gatewayKey = `hbl_A4qI4910CfGV_VLbLTy6XXLKZwm_HZQSG_N0iAG0D29c${'AQEB'.repeat(10)}AQE`;

test('a handler gets base URL and key, paid from its grant', async (t) => {
  const node = await startNode(t, { gateway, gatewayKey });
  const given = [];
  await node.agent({ name: 'thinks' }, async (most, ctx) => {
    given.push(await ctx.provider(most === null ? undefined : { maxCost: most }));
  });
  const killSwitch = makeSwitch(t, { costMicros: 4_000 });
  const first = await node.request('thinks', 40, { killSwitch });
  const second = await node.request('thinks', null, { killSwitch });
  assert.deepEqual([first.usage.costMicros, first.usage.chargedInFull], [40, false]);
  // A quarter of the grant, which is a quarter of what is left.
  assert.equal(second.usage.costMicros, 247);
  assert.equal(killSwitch.spent.costMicros, 287);
  for (const { baseUrl, apiKey, expires } of given) {
    assert.equal(baseUrl, gateway);
    assert.match(apiKey, /^hbl_/);
    const left = expires.getTime() - Date.now();
    assert.ok(left > 0 && left <= 600_000, `${left} ms`);
  }
  assert.equal(new Set([gatewayKey, ...given.map(({ apiKey }) => apiKey)]).size, 3);
});

test('each component is set aside by itself', async (t) => {
  const node = await startNode(t, { gateway, gatewayKey });
  await node.agent({ name: 'thinks' }, async (most, ctx) => {
    const much = { kind: 'budget_exhausted', code: 'input_exceeded' };
    await assert.rejects(ctx.provider({ maxInput: 201 }), isError(much));
    for (const field of ['maxInput', 'maxOutput', 'maxCost']) {
      const amount = { kind: 'invalid_argument', code: 'amount', field };
      for (const wrong of [-1, 0.5, 2 ** 53]) {
        await assert.rejects(ctx.provider({ [field]: wrong }), isError(amount));
      }
    }
    await ctx.provider(most);
  });
  const all = { inputTokens: 800, outputTokens: 400, costMicros: 4_000 };
  // Nobody listens there: all that is set aside is charged.
  for (const [most, taken] of [
    [{ maxInput: 30, maxOutput: 0 }, [30, 0, 250]],
    [{ maxInput: 30, maxOutput: 20, maxCost: 10 }, [30, 20, 10]],
  ]) {
    const killSwitch = makeSwitch(t, all);
    const { usage } = await node.request('thinks', most, { killSwitch });
    for (const amount of [usage, killSwitch.spent]) {
      assert.deepEqual([amount.inputTokens, amount.outputTokens, amount.costMicros], taken);
    }
  }
});

test('what is missing is said', async (t) => {
  const node = await startNode(t);
  await node.agent({ name: 'thinks' }, (maxCost, ctx) => ctx.provider({ maxCost }));
  const killSwitch = makeSwitch(t, { costMicros: 400 });
  const refused = (options, most, expected) =>
    assert.rejects(node.request('thinks', most, options), isError(expected));
  await refused({}, 1, { kind: 'configuration', code: 'no_budget' });
  await refused({ killSwitch }, 1, { kind: 'configuration', code: 'no_gateway' });
  const amount = { kind: 'invalid_argument', code: 'amount', field: 'maxCost' };
  await refused({ killSwitch }, -1, amount);
  await refused({ killSwitch }, 0.5, amount);
});

test('a gateway where others listen in is refused', async () => {
  const wrong = Node.start({ gateway: 'http://10.0.0.1/v1', gatewayKey });
  await assert.rejects(wrong, isError({ kind: 'invalid_argument', field: 'gateway' }));
});

test('a refund that cannot be kept is refused', async () => {
  const rejects = (options, error) => assert.rejects(Node.start(options), isError(error));
  await rejects({ refund: 'always' }, { kind: 'invalid_argument', field: 'refund' });
  const twice = { refund: 'member=never,member=signed' };
  await rejects(twice, { kind: 'invalid_argument', field: 'refund' });
  const unsigned = { gateway, gatewayKey, refund: 'provider' };
  await rejects(unsigned, { kind: 'configuration', code: 'no_gateway' });
  const signer = { gateway, gatewayKey, gatewaySigner: 'x' };
  await rejects(signer, { kind: 'invalid_argument', field: 'gatewaySigner' });
});
