/**
 * Only worker threads load the addon: the last one of them ends, by itself and by force, with calls
 * pending, and others begin. The addon stays in memory, where threads of its own may still run.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';

const home = mkdtempSync(join(tmpdir(), 'hubless-workers-'));

function begin(mode) {
  const worker = new Worker(new URL('./worker.mjs', import.meta.url), {
    workerData: { mode, home },
  });
  const said = new Promise((resolve, reject) => {
    worker.once('message', resolve).once('error', reject);
  });
  return { worker, said, ended: new Promise((resolve) => worker.once('exit', resolve)) };
}

function inMemory() {
  if (process.platform !== 'linux') return seen.length > 0;
  return readFileSync('/proc/self/maps', 'utf8').includes('hubless.node');
}

const seen = [];
seen.push(inMemory());
for (const mode of ['whole', 'endless', 'endless', 'whole']) {
  const { worker, said, ended } = begin(mode);
  seen.push(await said);
  if (mode === 'endless') await worker.terminate();
  await ended;
  seen.push(inMemory());
}
rmSync(home, { recursive: true, force: true });
const wanted = 'false,hello worker,true,running,true,running,true,hello worker,true';
console.log(seen.join() === wanted ? 'as expected' : seen.join());
