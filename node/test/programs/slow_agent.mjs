/** An agent that says when it is called and never answers. */
import { Node } from 'hubless';

const node = await Node.start();
await node.agent({ name: 'slow' }, () => {
  console.log('started');
  return new Promise(() => {});
});
console.log('ready');
await node.serve({ untilStdinEnds: true });
