/**
 * Amounts and limits of budgets, and what a budget tells of itself. Owns their form on both sides;
 * what a valid amount is the core says. Tested by `test/killswitch.test.mjs`.
 */

/**
 * An amount of each component; null, or not given: not limited. Integers from 0 to 2^53 - 1,
 * otherwise `invalid_argument` with code `amount`.
 *
 * @example
 * const max: Amounts = { outputTokens: 500, calls: 3 };
 * using killSwitch = new KillSwitch({ outputTokens: 10_000 });
 * await node.request('greet', 'Ada', { killSwitch, max });
 * assert.equal(killSwitch.spent.calls, 1);
 */
export interface Amounts {
  /** Tokens read. */
  readonly inputTokens?: number | null;
  /** Tokens written. */
  readonly outputTokens?: number | null;
  /** Millionths of the currency unit. */
  readonly costMicros?: number | null;
  /** Calls made. */
  readonly calls?: number | null;
}

/**
 * An amount of which every component is known.
 *
 * @example
 * using killSwitch = new KillSwitch({ calls: 5 });
 * const spent: Spent = killSwitch.spent;
 * assert.deepEqual(spent, { inputTokens: 0, outputTokens: 0, costMicros: 0, calls: 0 });
 */
export interface Spent {
  /** Tokens read. */
  readonly inputTokens: number;
  /** Tokens written. */
  readonly outputTokens: number;
  /** Millionths of the currency unit. */
  readonly costMicros: number;
  /** Calls made. */
  readonly calls: number;
}

/**
 * What a budget is limited to: null, or not given, is not limited, and 0 refuses everything.
 *
 * @example
 * const ownBudget: Terms = { calls: 100, wallTimeMs: 60_000 };
 * await (await Node.start({ memoryOnly: true, orphans: { ownBudget } })).close();
 */
export interface Terms extends Amounts {
  /** Milliseconds from its making to its end. */
  readonly wallTimeMs?: number | null;
  /** How deep calls may nest under it: 1 is its own requests. */
  readonly depth?: number | null;
  /** Calls that one call may have open at once. */
  readonly fanOut?: number | null;
  /** Milliseconds that a node which hears nothing goes on; default 10,000. */
  readonly leaseMs?: number | null;
  /** Once more than this is known to be spent, it trips. */
  readonly soft?: Amounts | null;
  /** Says that nothing is meant to be limited, which must be said. */
  readonly unlimited?: boolean;
  /**
   * Each node goes on only as long as the first one itself says so, and not those between: a
   * dishonest one keeps nothing below it going for longer than `leaseMs`. Each call then waits for
   * the way to the first node and back before it spends (SPEC 04, R7). Default false.
   */
  readonly strict?: boolean;
}

/**
 * Why a budget was stopped.
 *
 * @example
 * const reason: TripReason = 'operator';
 * using killSwitch = new KillSwitch({ calls: 5 });
 * killSwitch.trip(reason);
 * const refused = node.request('greet', 'Ada', { killSwitch });
 * await assert.rejects(refused, { kind: 'killed', code: reason });
 */
export type TripReason =
  | 'input_exceeded'
  | 'output_exceeded'
  | 'input_and_output_exceeded'
  | 'cost_exceeded'
  | 'calls_exceeded'
  | 'wall_time'
  | 'depth'
  | 'fan_out'
  | 'operator'
  | 'parent'
  | 'lease_lost';

/**
 * Why, by whom and when a budget was stopped.
 *
 * @example
 * using killSwitch = new KillSwitch({ calls: 5 });
 * killSwitch.trip();
 * const stop: Stop | undefined = killSwitch.stop;
 * assert.deepEqual([stop?.reason, stop?.by], ['operator', null]);
 */
export interface Stop {
  /** Why. */
  readonly reason: TripReason;
  /** Key of the node that asked for it; null: it was stopped before a node used it. */
  readonly by: string | null;
  /** When. */
  readonly at: Date;
}

/**
 * One grant of a budget and what was cut from it, as the node knows it where the budget began.
 *
 * @example
 * using killSwitch = new KillSwitch({ calls: 5 });
 * await node.request('greet', 'Ada', { killSwitch });
 * const branch: Branch | undefined = killSwitch.tree()?.children[0];
 * assert.equal(branch?.amount.calls, 1);
 */
export interface Branch {
  /** Id of the agent that was called; null: this is the budget itself. */
  readonly agentId: string | null;
  /** Key of the node that holds it. */
  readonly nodeKey: string;
  /** Whether it is still charged in full. */
  readonly state: 'open' | 'recalled' | 'settled' | 'written_off';
  /** How much it is; null: not limited. */
  readonly amount: Required<Amounts>;
  /** What it takes from the budget: all of it until its holder's last word. */
  readonly charged: Spent;
  /** What is known to be used of it. */
  readonly used: Spent;
  /** What was cut from it, except what was settled long ago. */
  readonly children: readonly Branch[];
}

/**
 * What becomes of a request that belongs to no call and is under no switch, made while its node
 * handles a call with a budget: most likely one that has lost its context. It is refused (kind
 * `configuration`, code `orphan`), runs without a budget, or under one of its own.
 *
 * @example
 * const orphans: Orphans = 'allow';
 * await (await Node.start({ memoryOnly: true, orphans })).close();
 */
export type Orphans = 'refuse' | 'allow' | { readonly ownBudget: Terms };

/** A stop in the contract's form. */
export interface WireStop {
  reason: TripReason;
  by: string | null;
  atMs: number;
}

/** Reads a stop. */
export function decodeStop({ reason, by, atMs }: WireStop): Stop {
  return { reason, by, at: new Date(atMs) };
}

/** Writes amounts: what is null is left out, all else is for the core to judge. */
export function encodeAmounts(amounts: unknown): unknown {
  if (typeof amounts !== 'object' || amounts === null || Array.isArray(amounts)) {
    return carried(amounts);
  }
  const given = Object.entries(amounts).filter(([, value]) => value !== null);
  return Object.fromEntries(given.map(([name, value]) => [name, carried(value)]));
}

/** Writes terms. */
export function encodeTerms(terms: unknown): object {
  const { soft, ...rest } = (terms ?? {}) as Terms;
  return { ...(encodeAmounts(rest) as object), soft: encodeAmounts(soft) ?? undefined };
}

/** Writes what becomes of orphans. */
export function encodeOrphans(orphans: Orphans | undefined): unknown {
  if (typeof orphans !== 'object' || !orphans?.ownBudget) return orphans;
  return { ...orphans, ownBudget: encodeTerms(orphans.ownBudget) };
}

/** Carries a value: what JSON would leave out or fail on goes as a text, to be refused. */
export function carried(value: unknown): unknown {
  const lost = typeof value === 'number' && !Number.isFinite(value);
  return lost || ['bigint', 'function', 'symbol'].includes(typeof value) ? String(value) : value;
}
