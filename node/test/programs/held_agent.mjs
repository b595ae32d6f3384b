/** An agent that answers what is written into a named pipe, and one that answers at once. */
import { readFile } from 'node:fs/promises';
import { Node } from 'hubless';

const node = await Node.start();
await node.agent({ name: 'idle' }, () => 'idle');
await node.agent({ name: 'held' }, (pipe) => readFile(pipe, 'utf8'));
await node.serve();
