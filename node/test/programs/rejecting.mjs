/** Handlers that fail in every way, also after they were given up. */
import { Node } from 'hubless';

const node = await Node.start();
await node.agent({ name: 'rejects' }, () => Promise.reject(new Error('x')));
await node.agent({ name: 'throws' }, () => {
  throw new Error('x');
});
await node.agent({ name: 'late' }, async () => {
  await new Promise((resolve) => setTimeout(resolve, 100));
  throw new Error('x');
});
const kinds = [];
for (const [name, options] of [['rejects'], ['throws'], ['late', { totalMs: 20 }]]) {
  await node.request(name, 1, options).catch((error) => kinds.push(error.kind));
}
await new Promise((resolve) => setTimeout(resolve, 150));
await node.close();
const wanted = 'handler_failed handler_failed deadline';
console.log(kinds.join(' ') === wanted ? 'as expected' : kinds.join(' '));
