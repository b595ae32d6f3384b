/** The measuring program in Node.js: agent, caller, or both; see `tests/bench/BENCH.md`. */

import { createInterface } from 'node:readline';
import { Node } from 'hubless';
import { arrivals, big, load, once, roundTrips, stages } from './measure.mjs';

const NAME = 'bench';

/** @param {object} line */
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

/**
 * Gives back what it was asked, after one trip through the event loop.
 *
 * @param {unknown} value
 */
async function echo(value) {
  await new Promise((resolve) => setImmediate(resolve));
  return value;
}

/** @type {import('./measure.mjs').Ask} */
const reply = (body) => node.request(NAME, { body });

/** @param {string[]} words */
async function answer([verb, ...rest]) {
  const [first = 0, second = 0, third = 0] = rest.map(Number);
  switch (verb) {
    case 'rtt':
      return roundTrips(reply, first, second, third);
    case 'stages':
      return stages(reply, first, second);
    case 'load':
      return load(reply, first, second, third);
    case 'arrivals':
      return arrivals(reply, first, second, third);
    case 'big':
      return big(reply, first);
    default:
      return { error: `expected a command of tests/bench/BENCH.md, got ${verb}` };
  }
}

const role = process.argv[2];
const began = performance.now();
const node = await Node.start();
if (role !== 'caller') await node.agent({ name: NAME }, echo);
/** @type {{ ready: boolean, cold_ms?: number }} */
const ready = { ready: true };
if (role !== 'agent') {
  await once(reply, 'x'.repeat(64));
  ready.cold_ms = performance.now() - began;
}
say(ready);
for await (const line of createInterface(process.stdin)) {
  say(await answer(line.trim().split(' ')));
}
await node.close();
