/** Only a handler is running, for a call of another process: it must not be cut off. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Node } from 'hubless';

const node = await Node.start();
process.stdin.resume();
await node.agent({ name: 'slow' }, async () => {
  process.stdin.pause().unref();
  await sleep(300, undefined, { ref: false });
  return 'as expected';
});
