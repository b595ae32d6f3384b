/** The switch of a case: how its requests come under it, and what it shows afterwards. */

import { setTimeout as sleep } from 'node:timers/promises';
import { KillSwitch } from '../../../../node/dist/index.mjs';

/** How long what must come may take: another process may stand still for seconds. */
export const PATIENCE_MS = 20_000;

/** Pays for the requests of one case; for nothing where the case has no switch. */
export class Paying {
  #killSwitch;
  #ambient;
  #tripped = 0;
  #patienceMs;

  /** Takes the switch of a case. */
  constructor({ switch: terms, ambient = false, patienceMs = PATIENCE_MS }) {
    this.#ambient = ambient;
    this.#patienceMs = patienceMs;
    if (!terms) return;
    this.#killSwitch = new KillSwitch(terms);
    this.#killSwitch.onTripped(() => {
      this.#tripped += 1;
    });
  }

  /** What the case says about how long something may take. */
  get patienceMs() {
    return this.#patienceMs;
  }

  /** Adds the option to those of a request, unless its switch is handed on by itself. */
  options(options) {
    const explicit = this.#killSwitch && !this.#ambient;
    return explicit ? { ...options, killSwitch: this.#killSwitch } : options;
  }

  /** Makes a request. */
  run(work) {
    return this.#killSwitch && this.#ambient ? this.#killSwitch.run(work) : work();
  }

  /** Stops what runs under it. */
  trip() {
    this.#killSwitch.trip();
  }

  /** Puts what the switch shows to each outcome until they hold, as long as it may take. */
  async show(outcomes, hold) {
    if (!this.#killSwitch) return hold();
    for (const until = performance.now() + this.#patienceMs; ; await sleep(10)) {
      const { state, stop, spent, remaining, overrun } = this.#killSwitch;
      const amounts = { spent, remaining, overrun };
      const shown = { ...amounts, state, reason: stop?.reason, tripped: this.#tripped };
      for (const outcome of outcomes) outcome.switch = shown;
      if (hold() || performance.now() > until) return hold();
    }
  }

  /** Lets the switch go. */
  close() {
    this.#killSwitch?.close();
  }
}
