/** What runs in worker threads: one whole call, or calls without end until it is terminated. */
import { parentPort, workerData } from 'node:worker_threads';
import { blob, Node } from 'hubless';

const node = await Node.start({ home: workerData.home });
await node.agent(
  { name: `echo${process.pid}-${Math.random()}`.slice(0, 40) },
  (_input, ctx) => ctx.content,
);

if (workerData.mode === 'whole') {
  const agent = await node.agent({ name: 'greet' }, (input) => `hello ${input}`);
  parentPort.postMessage((await node.request(agent, 'worker')).value);
  await node.close();
} else {
  const [agent] = await node.listAgents('local');
  const bytes = blob(new Uint8Array(1 << 20));
  const forever = async () => {
    for (;;) await agent.request(bytes);
  };
  for (let n = 0; n < 8; n++) forever();
  await agent.request('x');
  parentPort.postMessage('running');
}
