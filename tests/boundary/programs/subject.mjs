/** The subject of `tests/boundary/BOUNDARY.md` in Node.js. */

import { fork } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { Node } from '../../../node/dist/index.mjs';
import loader from '../../../node/dist/native.js';

const here = fileURLToPath(import.meta.url);
const NODES = 3;
/** Exit statuses that the caller looks for. */
const AT_ONCE = 7;
const ANSWERED = 7;
const BLOCK = 100_000;

const { handles } = loader.native();
const forever = () => new Promise(() => {});

let streamsEnded = 0;
let worker;

function subjects(node) {
  let leaver;
  const all = {
    steady: (n) => n + 1,
    relay: async (tag) => (await node.request('hold', tag)).value,
    raises: () => {
      throw new Error('broken');
    },
    // No JSON can say it.
    wrong: () => ({ x: 1n }),
    never: (forEver) => (forEver ? forever() : 'place is free'),
    async *chunks() {
      try {
        for (;;) yield 'x';
      } finally {
        streamsEnded++;
      }
    },
    leaves: () => {
      // Besides the call: the grace would wait for the call that waits for it.
      leaver.unregister();
      return 'last words';
    },
    nests: async () => {
      for (let n = 0; n < NODES; n++) {
        const other = await Node.start();
        await other.status();
        await other.close();
      }
      return NODES;
    },
    forks: () => {
      const child = fork(here, ['child']);
      return new Promise((resolve, reject) => child.once('exit', resolve).once('error', reject));
    },
    loops: () => {
      worker = new Worker(here);
      return new Promise((resolve, reject) => {
        worker.once('message', resolve).once('error', reject);
      });
    },
    unloop: async () => {
      await worker.terminate();
      return 'ended';
    },
    memory: () => {
      const kept = [];
      // Objects: it is the engine's own heap that has the bound.
      for (;;) kept.push(Array.from({ length: BLOCK }, () => ({ kept: kept.length })));
    },
    exits: (how) => {
      if (how === 'now') process.reallyExit(AT_ONCE);
      setImmediate(() => process.exit(0));
      return forever();
    },
    stats: () => ({ handles: handles(), ended: streamsEnded }),
  };
  const remember = (name, agent) => {
    if (name === 'leaves') leaver = agent;
  };
  return { all, remember };
}

async function serve() {
  const node = await Node.start();
  const { all, remember } = subjects(node);
  for (const [name, handler] of Object.entries(all)) {
    const requirements = name === 'never' ? { maxConcurrency: 1, queue: 0 } : undefined;
    remember(name, await node.agent({ name: `node.${name}`, requirements }, handler));
  }
  console.log(`ready ${node.nodeKey}`);
  await node.serve({ untilStdinEnds: true });
  await node.close();
  // Handles are released by tasks of the core that may end a moment after `close`.
  const until = performance.now() + 15_000;
  while (handles() > 0 && performance.now() < until) await sleep(10);
  console.log(`handles ${handles()}`);
}

/** The second event loop. */
async function beside() {
  const node = await Node.start();
  await node.agent({ name: 'node.beside' }, forever);
  // Keeps the worker alive until it is terminated.
  setInterval(() => {}, 60_000);
  parentPort.postMessage('begun');
}

/** The child of a fork: a program of its own. */
async function child() {
  const node = await Node.start();
  const { value } = await node.request('node.steady', 1, { waitMs: 20_000 });
  await node.close();
  process.exit(value === 2 ? ANSWERED : 1);
}

if (!isMainThread) await beside();
else if (process.argv[2] === 'child') await child();
else await serve();
