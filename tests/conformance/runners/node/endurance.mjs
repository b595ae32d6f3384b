/** What runs long or often: agents that pour, hold and are counted, and actions that last. */

import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Node } from '../../../../node/dist/index.mjs';

/** More than any stream is read of. */
const ENDLESS = 1_000_000_000;
/** So many answers in a row that say the same: the writer stands. */
const STILL = 50;
const LOOK_MS = 50;
/** Of so many calls one is a stream, and of so many streams one is given up half way. */
const STREAM_EACH = 10;
const GIVEN_UP_EACH = 10;
const PIECES = 10;
const PIECE_SIZE = 100;

let poured = 0;

/** How many pieces `pour` has got rid of. */
export const pouredPieces = () => poured;

const piece = (number, size) => `${number}:${'x'.repeat(size)}`;

/** The agents, by their names. */
export function enduring() {
  return {
    pour: {
      streaming: true,
      async *handler({ n, size }) {
        for (let number = 1; number <= n; number++) {
          yield piece(number, size);
          poured += 1;
        }
        return { n };
      },
    },
    // Nothing else of the process runs meanwhile.
    hold: {
      handler: ({ ms }) => {
        process.stdout.write(`${JSON.stringify({ holding: ms })}\n`);
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
        return 'done';
      },
    },
    usage: { handler: ({ restMs }) => leastUsage(restMs) },
  };
}

/**
 * Lets go of all garbage, and gives what the process has: the least that was seen in a while, since
 * what is only on its way out does not count.
 */
async function leastUsage(restMs) {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  const least = usageNow();
  const end = performance.now() + restMs;
  while (performance.now() < end) {
    await sleep(LOOK_MS);
    for (const [name, count] of Object.entries(usageNow())) {
      least[name] = Math.min(least[name], count);
    }
  }
  return least;
}

/** No package gives the live handles: whoever wants them says which file the addon is. */
function usageNow() {
  const addon = process.env.HUBLESS_TEST_ADDON;
  const status = readFileSync('/proc/self/status', 'utf8');
  return {
    handles: addon ? createRequire(import.meta.url)(addon).handles() : 0,
    threads: readdirSync('/proc/self/task').length,
    descriptors: readdirSync('/proc/self/fd').length,
    memoryKiB: Number(/VmRSS:\s+(\d+)/.exec(status)[1]),
  };
}

/** Runs the actions that last, through one node. */
export class Endurance {
  #node;

  constructor(node) {
    this.#node = node;
  }

  /** Reads one stream for so long, a piece at a time, and gives it up. */
  async readFor({ to, ms, everyMs, size }) {
    const end = performance.now() + ms;
    let read = 0;
    let wrong = 0;
    for await (const chunk of this.#node.stream(to, { n: ENDLESS, size })) {
      read += 1;
      if (chunk.text !== piece(read, size)) wrong += 1;
      if (performance.now() >= end) break;
      await sleep(everyMs);
    }
    return { value: { read, wrong } };
  }

  /** Reads one piece, waits until the writer stands, and reads on until it must have moved. */
  async readSlowly({ to, stats, n, size }) {
    const before = await this.#poured(stats);
    let read = 0;
    let wrong = 0;
    let stood = 0;
    for await (const chunk of this.#node.stream(to, { n, size })) {
      read += 1;
      if (chunk.text !== piece(read, size)) wrong += 1;
      if (read === 1) stood = (await this.#still(stats)) - before;
      if (read > stood) break;
    }
    return { value: { stood, read, wrong } };
  }

  async #poured(stats) {
    return (await this.#node.request(stats, '?')).value.poured;
  }

  async #still(stats) {
    let seen = -1;
    for (let same = 0; same < STILL; ) {
      const now = await this.#poured(stats);
      same = now === seen ? same + 1 : 0;
      seen = now;
    }
    return seen;
  }

  /** Makes so many calls, streams among them, some at once; each must come to its end. */
  async callOften({ to, count, atOnce, restMs }) {
    let right = 0;
    const work = async (first) => {
      for (let number = first; number < count; number += atOnce) {
        const came = await this.#oneOfMany(to, number);
        right += came;
      }
    };
    await Promise.all(Array.from({ length: atOnce }, (_, first) => work(first)));
    return { value: { right, ...(await leastUsage(restMs)) } };
  }

  async #oneOfMany(to, number) {
    if (number % STREAM_EACH) {
      return (await this.#node.request(`${to}.wide0`, '?')).value === 'ok' ? 1 : 0;
    }
    const givenUp = number % (STREAM_EACH * GIVEN_UP_EACH) === 0;
    const asked = { n: givenUp ? ENDLESS : PIECES, size: PIECE_SIZE };
    let read = 0;
    for await (const _ of this.#node.stream(`${to}.pour`, asked)) {
      read += 1;
      if (givenUp && read === PIECES) break;
    }
    return read === PIECES ? 1 : 0;
  }

  /** Starts a node, has an agent of it called, and closes it, so many times. */
  async cycle({ count, restMs }) {
    for (let cycles = 0; cycles < count; cycles++) {
      const name = `cycled-${process.pid}-${cycles}`;
      const node = await Node.start();
      await node.agent({ name }, () => 'ok');
      const { value } = await node.request(name, '?');
      await node.close();
      if (value !== 'ok') return { value: { cycles } };
    }
    return { value: { cycles: count, ...(await leastUsage(restMs)) } };
  }
}
