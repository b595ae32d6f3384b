/** Agents for a caller with a budget in another process: one spends, one waits to be stopped. */
import { Node } from 'hubless';

const node = await Node.start();
await node.agent({ name: 'spends' }, (used, ctx) =>
  ctx.spend({ maxOutput: 50 }, (spend) => {
    spend.used({ output: used });
    return ctx.granted.outputTokens;
  }),
);
await node.agent({ name: 'waits' }, (_input, ctx) => {
  ctx.signal.addEventListener('abort', () => {
    console.log(JSON.stringify({ kind: ctx.signal.reason.kind, at: Date.now() }));
  });
  console.log('started');
  return new Promise(() => {});
});
console.log('ready');
await node.serve({ untilStdinEnds: true });
