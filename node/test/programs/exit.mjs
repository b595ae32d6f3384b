/** Exits while a call runs. */
import { Node } from 'hubless';

const node = await Node.start();
await node.agent({ name: 'never' }, () => {
  console.log('as expected');
  setImmediate(() => process.exit(0));
  return new Promise(() => {});
});
node.request('never').catch(() => {});
