import { KillSwitch, Node } from 'hubless';

const killSwitch = new KillSwitch({ outputTokens: 20_000, calls: 50, wallTimeMs: 60_000 });
killSwitch.onTripped(({ reason }) => console.log(`stopped: ${reason}`));
const node = await Node.start();
await node.agent({ name: 'thinker' }, (_question, ctx) =>
  ctx.spend({ maxOutput: 500 }, (spend) => spend.used({ output: 120 })),
);
await killSwitch.run(() => node.request('thinker', 'what is new?'));
console.log(killSwitch.spent.outputTokens, killSwitch.remaining.calls);
await node.close();
