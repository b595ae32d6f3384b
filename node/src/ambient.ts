/**
 * What code belongs to without being told: the call that it handles and the switch it is under.
 * Owns the one async context of the package. Knows neither calls nor switches. Tested by
 * `test/ambient.test.mjs`.
 */

import { AsyncLocalStorage } from 'node:async_hooks';
import type { CallContext } from './context.js';
import type { KillSwitch } from './killswitch.js';

interface Scope {
  readonly call?: CallContext;
  readonly killSwitch?: KillSwitch | undefined;
}

const storage = new AsyncLocalStorage<Scope>();

/** The call being handled here. */
export function ambientCall(): CallContext | undefined {
  return storage.getStore()?.call;
}

/** The innermost switch that this is under. */
export function ambientSwitch(): KillSwitch | undefined {
  return storage.getStore()?.killSwitch;
}

/** Runs `work` as the handler of `call`, under no switch but the budget of the call. */
export function runIn<T>(call: CallContext, work: () => T): T {
  return storage.run({ call }, work);
}

/** Runs `work` under a switch, within the same call. */
export function runUnder<T>(killSwitch: KillSwitch, work: () => T): T {
  return storage.run({ ...storage.getStore(), killSwitch }, work);
}

/**
 * Runs `work` in no call and under no switch. Whatever the library starts for itself begins here:
 * it would otherwise belong to whoever happened to start it, and keep that alive.
 */
export function outside<T>(work: () => T): T {
  return storage.run({}, work);
}
