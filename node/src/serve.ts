/** Waiting to be told to stop. Owns the signal handlers while it waits. Tested by examples. */

import type { Session } from './session.js';

/**
 * What ends `serve`.
 *
 * @example
 * const options: ServeOptions = { signal: AbortSignal.timeout(10), graceMs: 1_000 };
 * await (await Node.start()).serve(options);
 */
export interface ServeOptions {
  /** Signals that end it; default SIGINT and SIGTERM. A second one ends the process as usual. */
  signals?: readonly ('SIGINT' | 'SIGTERM' | 'SIGHUP')[];
  /** Whether the end of standard input ends it too; default false. */
  untilStdinEnds?: boolean;
  /** Ends it too. */
  signal?: AbortSignal;
  /** Milliseconds that running calls may take to end; default 10,000. */
  graceMs?: number;
}

/** Longest delay that a timer can have; the timer only keeps the process alive. */
const KEEP_ALIVE_MS = 2 ** 31 - 1;

/** Resolves when the process is told to stop or the session is closed. */
export function untilToldToStop(options: ServeOptions, session: Session): Promise<void> {
  const signals = options.signals ?? ['SIGINT', 'SIGTERM'];
  return new Promise((resolve) => {
    const stop = () => {
      session.offClose(stop);
      clearInterval(keepAlive);
      for (const name of signals) process.off(name, stop);
      options.signal?.removeEventListener('abort', stop);
      if (options.untilStdinEnds) process.stdin.off('end', stop).off('close', stop).unref();
      resolve();
    };
    session.onClose(stop);
    const keepAlive = setInterval(() => {}, KEEP_ALIVE_MS);
    for (const name of signals) process.once(name, stop);
    if (options.signal?.aborted) stop();
    else options.signal?.addEventListener('abort', stop, { once: true });
    if (options.untilStdinEnds) process.stdin.on('end', stop).on('close', stop).resume();
  });
}
