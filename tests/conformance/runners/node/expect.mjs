/** Compares what a case expects with what came out. */

import { isDeepStrictEqual } from 'node:util';

/** Whether the outcomes are as expected: one expectation for all, or one for each. */
export function expectationHolds(expected, outcomes) {
  if (outcomes.length === 0) return false;
  if (!Array.isArray(expected)) return outcomes.every((outcome) => holds(expected, outcome));
  return (
    expected.length === outcomes.length &&
    expected.every((one, index) => holds(one, outcomes[index]))
  );
}

const checks = {
  value: (wanted, got) => isDeepStrictEqual(got.value, wanted),
  valueHas: (wanted, got) => has(got.value, wanted),
  text: (wanted, got) => got.text === wanted,
  ends: (wanted, got) => got.text?.endsWith(wanted),
  error: (wanted, got) => errorHas(wanted, got.error),
  chunks: (wanted, got) => isDeepStrictEqual(got.chunks, wanted),
  notes: (wanted, got) => isDeepStrictEqual(got.notes, wanted),
  blob: (wanted, got) => has(got.blob, wanted),
  parts: (wanted, got) => isDeepStrictEqual(got.parts, wanted),
  metadata: (wanted, got) => isDeepStrictEqual(got.metadata, wanted),
  outcomesIn: (wanted, got) => outcomesIn(got.kinds, wanted),
  outcomes: (wanted, got) => isDeepStrictEqual(got.outcomes, wanted),
  counted: (wanted, got) => wanted === sum(got.kinds),
  switch: (wanted, got) => switchShows(wanted, got.switch),
  tracedAs: (wanted, got) => got.tracedAs === wanted,
  usage: (wanted, got) => has(got.usage, wanted),
  strayed: (wanted, got) => strayed(wanted, got.value ?? {}, got.switch),
  traceId: (wanted, got) => String(got.value?.traceparent).split('-')[1] === wanted,
  rejection: (wanted, got) => errorHas(wanted, got.rejection),
  done: (wanted, got) => got.done === wanted,
  found: (wanted, got) => isDeepStrictEqual(got.found, wanted),
  events: (wanted, got) => isDeepStrictEqual(got.events, wanted),
  includes: (wanted, got) => wanted.every((name) => got.found?.includes(name)),
  excludes: (wanted, got) => Array.isArray(got.found) && !got.found.some((n) => wanted.includes(n)),
  at: (wanted, got) => pointsTo(got.value, wanted),
  first: (wanted, got) => got.found?.[0] === wanted,
  none: (_wanted, got) => got.found?.length === 0,
  'at most': (wanted, got) => inRanges(wanted, got, (limit) => [Number.NEGATIVE_INFINITY, limit]),
  range: (wanted, got) => inRanges(wanted, got, (range) => range),
};

function holds(expected, got) {
  if (got.error && !expected.error) return false;
  return Object.entries(expected).every(([what, wanted]) => checks[what]?.(wanted, got) === true);
}

/** The switch shows what is wanted; of amounts, the components that are wanted. */
function switchShows({ spent = {}, remaining = {}, overrun = {}, ...wanted }, shown) {
  const amounts = has(shown.spent, spent) && has(shown.remaining, remaining);
  return has(shown, wanted) && amounts && has(shown.overrun, overrun);
}

/** Each way of the language is in one list, and what was drawn is all that the switch has spent. */
function strayed({ of, ways }, { drawn, refused }, shown) {
  if (!ways[of] || !Array.isArray(drawn) || !Array.isArray(refused)) return false;
  const all = isDeepStrictEqual([...drawn, ...refused].sort(), [...ways[of]].sort());
  return all && shown?.spent.calls === 1 + drawn.length;
}

/** Every kind of outcome is one that is wanted, as often as is wanted. */
function outcomesIn(counts = {}, wanted) {
  const within = ([kind, [low, high]]) => low <= (counts[kind] ?? 0) && (counts[kind] ?? 0) <= high;
  const known = Object.keys(counts).every((kind) => kind in wanted);
  return known && Object.entries(wanted).every(within);
}

function sum(counts) {
  return counts && Object.values(counts).reduce((all, count) => all + count, 0);
}

/** Each JSON pointer leads to what is wanted. */
function pointsTo(value, pointers) {
  return Object.entries(pointers).every(([at, wanted]) =>
    isDeepStrictEqual(follow(value, at), wanted),
  );
}

function follow(value, pointer) {
  return pointer
    .split('/')
    .slice(1)
    .reduce((at, step) => at?.[step], value);
}

function has(value, members) {
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(members).every(([key, wanted]) => isDeepStrictEqual(value[key], wanted));
}

/** Each member is as wanted; of the message a part of it, of the candidates their number. */
function errorHas({ messageHas, candidates, ...members }, error) {
  if (!has(error, members)) return false;
  if (candidates !== undefined && error.candidates?.length !== candidates) return false;
  return messageHas === undefined || String(error.message).includes(messageHas);
}

function inRanges(members, got, rangeOf) {
  return Object.entries(members).every(([key, wanted]) => {
    const [low, high] = rangeOf(wanted);
    const value = key.startsWith('/') ? follow(got.value, key) : got.value?.[key];
    return typeof value === 'number' && value >= low && value <= high;
  });
}
