import { Node } from 'hubless';

const node = await Node.start();
await node.agent({ name: 'greet' }, ({ name }) => `hello ${name}`);
await node.serve();
