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
await node.agent({ name: 'untidy' }, async function* () {
  try {
    for (;;) yield 'x';
  } finally {
    await Promise.reject(new Error('x'));
  }
});
await node.agent({ name: 'asks' }, (_, ctx) => ctx.callTool('late', {}));
const kinds = [];
for (const [name, options] of [['rejects'], ['throws'], ['late', { totalMs: 20 }]]) {
  await node.request(name, 1, options).catch((error) => kinds.push(error.kind));
}
for await (const _ of node.stream('untidy')) break;
const late = () => new Promise((_, no) => setTimeout(no, 100, new Error('x')));
const tools = [{ name: 'late', run: late }];
await node.request('asks', 1, { tools, totalMs: 20 }).catch((error) => kinds.push(error.kind));
await new Promise((resolve) => setTimeout(resolve, 150));
await node.close();
const wanted = 'handler_failed handler_failed deadline deadline';
console.log(kinds.join(' ') === wanted ? 'as expected' : kinds.join(' '));
