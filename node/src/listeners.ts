/**
 * Who wants to know of the stop of a switch. Owns the session that waits for it, which needs no
 * node and keeps neither the switch nor the process alive. Tested by `test/killswitch.test.mjs`.
 */

import { AsyncResource } from 'node:async_hooks';
import { outside } from './ambient.js';
import { decodeStop, type Stop, type WireStop } from './budget.js';
import { messageOf } from './errors.js';
import { Session } from './session.js';

/**
 * Is told of a stop, once; what it gives or throws changes nothing.
 *
 * @example
 * const reasons: string[] = [];
 * const listener: StopListener = ({ reason }) => reasons.push(reason);
 * using killSwitch = new KillSwitch({ calls: 5 });
 * killSwitch.trip();
 * killSwitch.onTripped(listener);
 * await Promise.resolve();
 * assert.deepEqual(reasons, ['operator']);
 */
export type StopListener = (stop: Stop) => unknown;

/** The listeners of one switch; they may name the switch itself and be let go of with it. */
export class StopListeners {
  #waiting: StopListener[] = [];
  #waits = false;

  /** Adds a listener; it runs in the async context of whoever adds it, but under no switch. */
  add(listener: StopListener, handle: number, stop: Stop | undefined): void {
    const bound = AsyncResource.bind((told: Stop) => outside(() => tell(listener, told)));
    if (stop) {
      queueMicrotask(() => bound(stop));
      return;
    }
    this.#waiting.push(bound);
    if (this.#waits) return;
    this.#waits = true;
    const self = new WeakRef(this);
    outside(() => void wait(handle, self));
  }

  /** Tells everybody who waits. */
  tell(stop: Stop): void {
    for (const listener of this.#waiting.splice(0)) listener(stop);
  }
}

/** Waits until there is a stop, or the budget is over without one. */
async function wait(handle: number, listeners: WeakRef<StopListeners>): Promise<void> {
  const session = new Session({ keepsAlive: false });
  try {
    const body = { switch: handle };
    const { stop } = await session.run<{ stop: WireStop | null }>('switch.wait', body);
    if (stop) listeners.deref()?.tell(decodeStop(stop));
  } catch (error) {
    warn('a stop cannot be waited for', error);
  } finally {
    session.close();
  }
}

function tell(listener: StopListener, stop: Stop): void {
  const failed = (error: unknown) => warn('a listener of a kill switch failed', error);
  try {
    Promise.resolve(listener(stop)).catch(failed);
  } catch (error) {
    failed(error);
  }
}

function warn(what: string, error: unknown): void {
  process.emitWarning(`${what}: ${messageOf(error)}`, 'HublessWarning');
}
