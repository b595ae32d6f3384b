import { Node } from 'hubless';

const node = await Node.start();
const [greeter] = await node.find('greet');
const reply = await greeter.request({ name: process.argv[2] ?? 'world' });
console.log(reply.value);
await node.close();
