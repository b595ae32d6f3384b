/** The types, as an ES module under strict and nodenext sees them. */

import {
  type CallContext,
  HublessError,
  KillSwitch,
  type Node,
  type Reply,
  type Spend,
  tool,
} from 'hubless';
import { type Script, startMesh } from 'hubless/testing';
import * as v from 'valibot';
import { z } from 'zod';

const Query = z.object({ pair: z.string(), n: z.coerce.number().default(1) });
const Rate = z.object({ rate: z.number() });

export async function uses(node: Node): Promise<void> {
  await node.agent({ name: 'rate', input: Query, output: Rate }, ({ pair, n }, ctx) => {
    const checked: [string, number, CallContext] = [pair, n, ctx];
    return { rate: checked.length };
  });
  // @ts-expect-error: the result does not match the output schema
  await node.agent({ name: 'rate', input: Query, output: Rate }, () => ({ wrong: true }));
  // @ts-expect-error: there is no such field in the input
  await node.agent({ name: 'rate', input: Query }, ({ nothing }) => nothing);
  // @ts-expect-error: there is no such option
  await node.agent({ name: 'rate', nonsense: true }, () => 1);

  await node.agent({ name: 'v', input: v.object({ a: v.string() }) }, ({ a }) => a.length);
  await node.agent({ name: 'j', input: { type: 'object' } }, (input: unknown) => typeof input);
  await node.agent({ name: 'streams' }, async function* () {
    yield 'a';
  });

  const reply: Reply<{ rate: number }> = await node.request(
    'rate',
    { pair: 'x' },
    { output: Rate },
  );
  const untyped: unknown = (await node.request('rate')).value;
  const peer = await node.peer('rates', { tags: ['fx'] });
  const call = peer.callable({ input: Query, output: Rate });
  const { rate } = await call({ pair: 'x' });
  // @ts-expect-error: the input needs a pair
  await call({});
  for await (const chunk of node.stream('streams')) process.stdout.write(chunk.text);

  const add = tool({ name: 'add', input: z.object({ a: z.number() }), run: ({ a }) => a + 1 });
  await node.request('x', 1, {
    tools: [add],
    signal: AbortSignal.timeout(rate + reply.value.rate),
  });
  using killSwitch = new KillSwitch({ calls: 5, inputTokens: null });
  // @ts-expect-error: there is no such limit
  new KillSwitch({ call: 5 });
  // @ts-expect-error: amounts are numbers
  new KillSwitch({ calls: '5' });
  // @ts-expect-error: not a reason
  killSwitch.trip('nonsense');
  const counted: number = killSwitch.spent.calls + killSwitch.overrun.calls;
  // @ts-expect-error: null where nothing is limited
  const left: number = killSwitch.remaining.calls;
  const answer: Reply = await killSwitch.run(() => node.request('x', counted + left));
  await peer.with(killSwitch).request(answer, { max: { calls: 1 } });
  await node.agent({ name: 'spends' }, async (_, ctx) => {
    using spend: Spend = await ctx.spend({ maxInput: 5 });
    spend.used({ input: ctx.granted?.inputTokens ?? 0 });
    // @ts-expect-error: there is no such amount
    await ctx.spend({ inputTokens: 5 });
    const given: string = await ctx.spend({}, () => 'given');
    return given;
  });
  const error = new HublessError({ kind: 'busy', message: String(untyped) });
  const kind: 'busy' | 'closed' | string = error.kind;
  // @ts-expect-error: not a kind
  new HublessError({ kind: 'nonsense', message: kind });
}

export async function tested(t: import('node:test').TestContext): Promise<void> {
  const mesh = await startMesh(t);
  const script: Script = { mode: 'strict', steps: [{ times: 'any', answer: { value: 1 } }] };
  await mesh.fake('x', script, { skills: ['y'], node: await mesh.start({ name: 'z' }) });
  // @ts-expect-error: where it lives is the mesh's
  await mesh.start({ home: '/tmp' });
  // @ts-expect-error: there is no such mode
  await mesh.replay('x.json', { mode: 'sometimes' });
}
