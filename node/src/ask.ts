/**
 * What the core answers at once, without a session: kill switches, spendings, what only computes.
 * Knows no operation. Tested by `test/killswitch.test.mjs`.
 */

import { fromWire, type WireError } from './errors.js';
import { encodeBody } from './json.js';
import { native } from './native.js';

/** Asks the core; what it refuses is thrown. */
export function ask<Result>(operation: string, body: object = {}): Result {
  const [done, said] = native().ask(operation, encodeBody(operation, body));
  const answer: unknown = JSON.parse(said);
  if (!done) throw fromWire(answer as WireError);
  return answer as Result;
}
