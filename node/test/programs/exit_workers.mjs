/** Exits while workers and the main thread have calls that run. */
import { Worker } from 'node:worker_threads';
import { Node } from 'hubless';

const node = await Node.start();
await node.agent({ name: 'never' }, () => new Promise(() => {}));
node.request('never').catch(() => {});
const begun = [1, 2].map(() => {
  const workerData = { mode: 'endless', home: process.env.HUBLESS_HOME };
  const worker = new Worker(new URL('./worker.mjs', import.meta.url), { workerData });
  return new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
});
const said = await Promise.all(begun);
console.log(said.join() === 'running,running' ? 'as expected' : said.join());
process.exit(0);
