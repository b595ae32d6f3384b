/**
 * A spending of a handler: set aside before it begins, and what it was said afterwards.
 * Owns its handle. Must not know calls: who makes one says how it is set aside. Tested by
 * `test/spend.test.mjs`.
 */

import { ask } from './ask.js';
import { carried } from './budget.js';
import { invalidArgument } from './errors.js';

/**
 * The most that a spending may be; what is not given is 0.
 *
 * @example
 * const most: SpendLimits = { maxInput: 500, maxOutput: 100 };
 * await node.agent({ name: 'thinks' }, (_, ctx) => ctx.spend(most, () => 'nothing was said'));
 * assert.equal((await node.request('thinks')).usage.inputTokens, 500);
 */
export interface SpendLimits {
  /** Tokens read. */
  readonly maxInput?: number;
  /** Tokens written. */
  readonly maxOutput?: number;
  /** Millionths of the currency unit. */
  readonly maxCost?: number;
}

/**
 * What a spending was; what is not given is 0.
 *
 * @example
 * const was: SpendUsed = { input: 420, output: 60 };
 * await node.agent({ name: 'thinks' }, (_, ctx) =>
 *   ctx.spend({ maxInput: 500, maxOutput: 100 }, (spend) => spend.used(was)),
 * );
 * assert.equal((await node.request('thinks')).usage.inputTokens, 420);
 */
export interface SpendUsed {
  /** Tokens read. */
  readonly input?: number;
  /** Tokens written. */
  readonly output?: number;
  /** Millionths of the currency unit. */
  readonly cost?: number;
}

/**
 * What was set aside for one spending. Ended without a word, by {@link close} or with its call, it
 * is charged in full.
 *
 * @example
 * await node.agent({ name: 'thinks' }, async (_, ctx) => {
 *   using spend: Spend = await ctx.spend({ maxOutput: 100 });
 *   spend.used({ output: 60 });
 * });
 * assert.equal((await node.request('thinks')).usage.outputTokens, 60);
 */
export class Spend {
  readonly #handle: number;
  #ended = false;

  /** Made by the call. */
  constructor(handle: number) {
    this.#handle = handle;
  }

  /**
   * Says what was spent, once; the rest is free again. More than was set aside is charged as it is,
   * and trips the switch. It counts in the usage of the answer by itself.
   *
   * @throws HublessError - `invalid_argument`: code `amount` for what is no amount, after which it
   *   may be said again; field `spend` when it was said before, or its scope or call has ended
   */
  used(was: SpendUsed): void {
    ask('spend.used', { spend: this.#handle, ...inWordsOfContract(USED, was, 'spend.used') });
    this.#ended = true;
  }

  /** Ends it: without a word before, all that was set aside is charged. Idempotent. */
  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    try {
      ask('spend.drop', { spend: this.#handle });
    } catch {
      // Charged already: the call has ended.
    }
  }

  /** Ends it; for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }
}

const LIMITS = { maxInput: 'inputTokens', maxOutput: 'outputTokens', maxCost: 'costMicros' };
const USED = { input: 'inputTokens', output: 'outputTokens', cost: 'costMicros' };

/** Writes what is to be set aside. */
export function encodeLimits(most: SpendLimits): object {
  return inWordsOfContract(LIMITS, most, 'call.spend');
}

/** A word that is none of ours would otherwise set nothing aside, unseen. */
function inWordsOfContract(
  words: Readonly<Record<string, string>>,
  given: object,
  operation: string,
): object {
  const named = Object.entries(given).map(([word, amount]) => {
    if (!Object.hasOwn(words, word)) {
      throw invalidArgument(operation, word, `expected only ${Object.keys(words).join(', ')}`);
    }
    return [words[word], carried(amount)];
  });
  return Object.fromEntries(named);
}
