/** A worker with a switch of its own, a listener on it, and a node that uses it. */
import { parentPort, workerData } from 'node:worker_threads';
import { KillSwitch, Node } from 'hubless';

const killSwitch = new KillSwitch({ calls: 5 });
const told = new Promise((resolve) => killSwitch.onTripped(resolve));
const node = await Node.start({ memoryOnly: true });
await node.agent({ name: 'in-worker' }, () => 'done');
await killSwitch.run(() => node.request('in-worker'));
if (workerData === 'whole') {
  // Waiting for a stop keeps no thread alive.
  const waiting = setInterval(() => {}, 1000);
  killSwitch.trip();
  await told;
  clearInterval(waiting);
  await node.close();
  parentPort.postMessage(killSwitch.spent.calls);
} else {
  parentPort.postMessage(killSwitch.spent.calls);
  setInterval(() => {}, 1000);
}
