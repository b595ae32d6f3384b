/** An agent whose handler blocks the whole event loop for the time it is asked for. */
import { Node } from 'hubless';

const node = await Node.start();
await node.agent({ name: 'blocking' }, (ms) => {
  console.log('blocked');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
  return 'as expected';
});
console.log('ready');
await node.serve({ untilStdinEnds: true });
