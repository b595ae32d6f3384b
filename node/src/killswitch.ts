/**
 * The switch that a program holds: a budget for all that is called under it, and its stop.
 * Owns the handle of the core, which needs no node. Tested by `test/killswitch.test.mjs`.
 */

import type { LastWord } from '../native.js';
import { runUnder } from './ambient.js';
import { ask } from './ask.js';
import {
  type Amounts,
  type Branch,
  decodeStop,
  encodeTerms,
  type Spent,
  type Stop,
  type Terms,
  type TripReason,
  type WireStop,
} from './budget.js';
import { HublessError, invalidArgument } from './errors.js';
import { type StopListener, StopListeners } from './listeners.js';
import { native } from './native.js';

/** Lets a handle go with its switch, or with the thread that has it. */
const lastWords = new WeakMap<KillSwitch, LastWord>();

/** As the contract gives it. */
interface WireState {
  state: 'armed' | 'tripped';
  stop: WireStop | null;
  spent: Spent;
  remaining: Required<Amounts>;
  overrun: Spent;
}

/**
 * A budget for a whole tree of calls, in this process and on any machine, and the stop of it.
 *
 * Requests carry it by the option `killSwitch`, by {@link Peer.with}, or because they are made
 * inside {@link run}. One made by the handler of a call with a budget is paid from that. The budget
 * is over when the switch is closed, or garbage collected, and the last request under it has ended.
 *
 * @example
 * await node.agent({ name: 'think' }, (_, ctx) =>
 *   ctx.spend({ maxOutput: 100 }, (spend) => {
 *     spend.used({ output: 60 });
 *     return 'thought';
 *   }),
 * );
 * using killSwitch = new KillSwitch({ outputTokens: 1_000, calls: 2 });
 * await killSwitch.run(() => node.request('think'));
 * assert.equal(killSwitch.spent.outputTokens, 60);
 * killSwitch.trip();
 * await assert.rejects(node.request('think', null, { killSwitch }), { kind: 'killed' });
 */
export class KillSwitch {
  readonly #handle: number;
  readonly #listeners = new StopListeners();
  #closed = false;

  /**
   * Makes a switch with these limits, without a node; its wall time begins.
   *
   * @throws HublessError - `invalid_argument` that names the field; code `amount` for what is no
   *   amount, `unlimited` where nothing is limited and nothing says so
   */
  constructor(terms: Terms) {
    this.#handle = ask<{ switch: number }>('switch.new', encodeTerms(terms)).switch;
    const body = JSON.stringify({ switch: this.#handle });
    lastWords.set(this, native().whenGone('switch.drop', body));
  }

  /** The handle of what is given as a switch; that of none is undefined. */
  static handleOf(given: unknown): number | undefined {
    if (given === undefined) return undefined;
    if (typeof given === 'object' && given !== null && #handle in given) return given.#open();
    throw invalidArgument('request', 'killSwitch', 'expected a KillSwitch made in this thread');
  }

  /** Whether it was stopped; `stop` says why. */
  get state(): 'armed' | 'tripped' {
    return this.#told().state;
  }

  /** Why, by whom and when it was stopped; undefined while it is armed. */
  get stop(): Stop | undefined {
    const { stop } = this.#told();
    return stop ? decodeStop(stop) : undefined;
  }

  /** What was used, as far as it is settled; calls count when they are made. */
  get spent(): Spent {
    return this.#told().spent;
  }

  /** What is neither used nor set aside; null: not limited. */
  get remaining(): Required<Amounts> {
    return this.#told().remaining;
  }

  /**
   * The part of `spent` that providers took above what was set aside for it: zero unless a provider
   * broke its cap, which stops the switch.
   */
  get overrun(): Spent {
    return this.#told().overrun;
  }

  /** The grants as its node knows them; undefined before the first request under it. */
  tree(): Branch | undefined {
    return ask<{ tree: Branch | null }>('switch.tree', { switch: this.#open() }).tree ?? undefined;
  }

  /**
   * Stops everything under it, for good: handlers are cancelled wherever they run, requests that
   * wait fail with kind `killed` and the reason as code. The first stop stands.
   */
  trip(reason: TripReason = 'operator'): void {
    ask('switch.trip', { switch: this.#open(), reason });
  }

  /**
   * Has a function called once with the stop, at once if there was one already, as a microtask.
   * What it does, throws or rejects changes nothing about the stop. It keeps neither the process
   * nor the switch alive.
   */
  onTripped(listener: StopListener): void {
    this.#listeners.add(listener, this.#open(), this.stop);
  }

  /**
   * Runs a function under this switch and gives its result: so is every request made in it, and
   * in what it starts, unless that names another switch or is made by the handler of a call with a
   * budget of its own.
   *
   * @example
   * using killSwitch = new KillSwitch({ calls: 2 });
   * const reply = await killSwitch.run(() => node.request('greet', 'Ada'));
   * assert.deepEqual([reply.value, killSwitch.remaining.calls], ['hello Ada', 1]);
   */
  run<T>(work: () => T): T {
    this.#open();
    return runUnder(this, work);
  }

  /** Lets it go: its budget ends with the last request under it. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    ask('switch.drop', { switch: this.#handle });
  }

  /** Closes it; for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  #told(): WireState {
    return ask<WireState>('switch.state', { switch: this.#open() });
  }

  #open(): number {
    if (!this.#closed) return this.#handle;
    throw new HublessError({
      kind: 'closed',
      operation: 'switch',
      message: 'the switch is closed',
    });
  }
}
