/** Leaves an idle node behind: the process must end by itself. */
import { Node } from 'hubless';

const node = await Node.start();
await node.agent({ name: 'idle' }, () => 1);
console.log('as expected');
