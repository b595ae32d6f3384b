/** How calls are measured, by the definitions of `tests/bench/BENCH.md`. */

import { setTimeout as sleep } from 'node:timers/promises';

const RAMP_MS = 200;
const RAMP_MAX_MS = 6_000;
const FIRST_CALLS = 3;
// Calls of an open loop that are in flight at once.
const OPEN_MAX = 128;

/** @typedef {(body: string) => Promise<import('hubless').Reply<unknown>>} Ask */

/**
 * Makes one call and gives its milliseconds; the answer must be what was asked.
 *
 * @param {Ask} reply
 * @param {string} body
 */
export async function once(reply, body) {
  const began = performance.now();
  const { value } = await reply(body);
  const answer = /** @type {{ body: string }} */ (value).body;
  const took = performance.now() - began;
  if (answer.length !== body.length) throw new Error('the answer is not what was asked');
  return took;
}

/**
 * Measures calls one after another.
 *
 * @param {Ask} reply
 * @param {number} size
 * @param {number} count
 * @param {number} warm
 */
export async function roundTrips(reply, size, count, warm) {
  const body = 'x'.repeat(size);
  for (let number = 0; number < warm; number += 1) await once(reply, body);
  const times = [];
  for (let number = 0; number < count; number += 1) times.push(await once(reply, body));
  return spread(times);
}

/**
 * Gives medians in microseconds: of all, and of what the core says of each part.
 *
 * @param {Ask} reply
 * @param {number} size
 * @param {number} count
 */
export async function stages(reply, size, count) {
  const body = 'x'.repeat(size);
  /** @type {number[][]} */
  const [total, queue, handler, network] = [[], [], [], []];
  for (let number = 0; number < count; number += 1) {
    const began = performance.now();
    const { timing } = await reply(body);
    total.push((performance.now() - began) * 1e3);
    queue.push(timing.queueUs);
    handler.push(timing.handlerUs);
    network.push(timing.networkUs);
  }
  return {
    total_us: median(total),
    queue_us: median(queue),
    handler_us: median(handler),
    network_us: median(network),
  };
}

/**
 * Counts the calls that end in a window, with so many in flight.
 *
 * @param {Ask} reply
 * @param {number} size
 * @param {number} inFlight
 * @param {number} windowMs
 */
export async function load(reply, size, inFlight, windowMs) {
  const body = 'x'.repeat(size);
  /** @type {number[]} */
  const counts = new Array(inFlight).fill(0);
  let stopped = false;
  const workers = counts.map(async (_, number) => {
    while (!stopped) {
      await once(reply, body);
      counts[number] += 1;
    }
  });
  const end = performance.now() + RAMP_MAX_MS;
  await sleep(RAMP_MS);
  while (Math.min(...counts) < FIRST_CALLS && performance.now() < end) await sleep(RAMP_MS / 10);
  const done = () => counts.reduce((sum, count) => sum + count, 0);
  const [before, began] = [done(), performance.now()];
  await sleep(windowMs);
  const rate = (done() - before) / ((performance.now() - began) / 1e3);
  stopped = true;
  await Promise.all(workers);
  return { per_second: rate };
}

/**
 * Makes calls that are due at a constant rate; the time of each counts from then.
 *
 * @param {Ask} reply
 * @param {number} size
 * @param {number} perSecond
 * @param {number} windowMs
 */
export async function arrivals(reply, size, perSecond, windowMs) {
  const body = 'x'.repeat(size);
  /** @type {number[][]} */
  const [times, late] = [[], []];
  /** @type {Set<Promise<void>>} */
  const running = new Set();
  const began = performance.now();
  const due = Math.floor((windowMs * perSecond) / 1e3);
  for (let number = 0; number < due; number += 1) {
    const at = began + (number * 1e3) / perSecond;
    const early = at - performance.now();
    if (early > 0) await sleep(early);
    while (running.size >= OPEN_MAX) await Promise.race(running);
    late.push(performance.now() - at);
    /** @type {Promise<void>} */
    const call = once(reply, body).then(() => {
      running.delete(call);
      times.push(performance.now() - at);
    });
    running.add(call);
  }
  await Promise.all(running);
  const rate = times.length / ((performance.now() - began) / 1e3);
  return { ...spread(times), per_second: rate, late_us: median(late) * 1e3 };
}

/**
 * Makes one call.
 *
 * @param {Ask} reply
 * @param {number} size
 */
export async function big(reply, size) {
  return { ms: await once(reply, 'x'.repeat(size)) };
}

/**
 * Median and 99th percentile of milliseconds, in microseconds.
 *
 * @param {number[]} times
 */
function spread(times) {
  times.sort((a, b) => a - b);
  /** @param {number} part */
  const at = (part) => times[Math.floor((times.length * part) / 100)] * 1e3;
  return { median_us: at(50), p99_us: at(99) };
}

/** @param {number[]} times */
function median(times) {
  return times.sort((a, b) => a - b)[Math.floor(times.length / 2)];
}
