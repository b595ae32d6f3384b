/** Sends bytes there and back; says whether they came back whole, and in whose memory. */
import v8 from 'node:v8';
import vm from 'node:vm';
import { blob, Node } from 'hubless';

const SIZE = 4 * 1024 * 1024;
const sent = Uint8Array.from({ length: SIZE }, (_, at) => at % 251);
const node = await Node.start();
await node.agent({ name: 'back' }, (_input, ctx) => blob(ctx.content.blobs[0].reader()));
const [part] = (await node.request('back', blob(sent))).content.blobs;
// The engine counts what it has allocated itself, and not what it was given.
v8.setFlagsFromString('--expose-gc');
const collect = vm.runInNewContext('gc');
// What was left behind before is not to go meanwhile; the second time waits for the first.
collect();
collect();
const before = process.memoryUsage().arrayBuffers;
const bytes = await part.bytes();
const own = process.memoryUsage().arrayBuffers - before;
await node.close();
const whole = Buffer.compare(bytes, sent) === 0 ? 'whole' : 'broken';
console.log(`${whole}, ${own < SIZE / 2 ? 'taken over' : 'copied'}`);
