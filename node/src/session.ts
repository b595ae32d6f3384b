/**
 * One native session as promises: tickets, the drain loop, keeping the process alive.
 *
 * Owns the pending operations. Must not know what an operation means: what comes in unasked goes
 * to the listener of its kind. Tested through the whole suite, above all `test/lifecycle.test.mjs`.
 */

import type { NativeSession } from '../native.js';
import { outside } from './ambient.js';
import { closedError, fromWire, HublessError, messageOf, type WireError } from './errors.js';
import { encodeBody } from './json.js';
import { native } from './native.js';

/** Kinds of events, as numbered by the contract. */
export const EVENT = {
  done: 1,
  failed: 2,
  call: 3,
  cancel: 4,
  tool: 5,
  auth: 6,
  count: 7,
  credential: 8,
  input: 9,
  log: 10,
} as const;

/** The result of an operation. */
export interface Done<Body> {
  /** The result. */
  body: Body;
  /** Byte strings that it names by index. */
  attachments: readonly Uint8Array[];
}

/** What happens on an event that nobody asked for. */
export type Listener = (id: number, body: never, attachments: readonly Uint8Array[]) => void;

interface Pending {
  operation: string;
  onDone: ((body: never) => void) | undefined;
  resolve: (done: Done<never>) => void;
  reject: (error: HublessError) => void;
}

/** Events taken at once; between two batches other work of the event loop gets its turn. */
const DRAIN_EVENTS_MAX = 512;

/** Longest delay that a timer can have; the timer only keeps the process alive. */
const KEEP_ALIVE_MS = 2 ** 31 - 1;

/** A completion queue with the promises that wait on it. */
export class Session {
  readonly #handle: NativeSession;
  readonly #pending = new Map<number, Pending>();
  readonly #listeners = new Map<number, Listener>();
  readonly #keepAlive: NodeJS.Timeout;
  readonly #keepsAlive: boolean;
  readonly #onClose = new Set<() => void>();
  #holders = 0;
  #nextTicket = 1;
  #closed = false;

  /** Opens a session; `keepsAlive` (default true): the process does not end while it has work. */
  constructor(options: { keepsAlive?: boolean } = {}) {
    this.#keepsAlive = options.keepsAlive ?? true;
    this.#keepAlive = outside(() => setInterval(() => {}, KEEP_ALIVE_MS).unref());
    this.#handle = outside(() => native().open(() => this.#drain()));
  }

  /** Whether `close` was called. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Sets what happens on events of one kind. */
  on(kind: number, listener: Listener): void {
    this.#listeners.set(kind, listener);
  }

  /** Keeps the process alive until the function it gives is called, once or more often. */
  hold(): () => void {
    let held = true;
    this.#hold();
    return () => {
      if (held) this.#release();
      held = false;
    };
  }

  /** Calls `listener` when the session is closed. */
  onClose(listener: () => void): void {
    this.#onClose.add(listener);
  }

  /** Takes a listener back. */
  offClose(listener: () => void): void {
    this.#onClose.delete(listener);
  }

  /**
   * Starts an operation; its ticket identifies it in events that refer to it. `onDone` runs before
   * any later event is looked at, which what awaits the promise does not.
   */
  start<Body>(
    operation: string,
    body: object = {},
    attachments: readonly Uint8Array[] = [],
    onDone?: (body: Body) => void,
  ): { ticket: number; done: Promise<Done<Body>> } {
    const ticket = this.#nextTicket++;
    const done = new Promise<Done<Body>>((resolve, reject) => {
      const text = encodeBody(operation, body);
      if (this.#closed || !native().submit(this.#handle, ticket, operation, text, attachments)) {
        throw closedError(operation);
      }
      if (this.#pending.size === 0) this.#hold();
      this.#pending.set(ticket, { operation, onDone, resolve, reject });
    });
    return { ticket, done };
  }

  /** Runs an operation to its result; `signal` gives it up. */
  async run<Body>(
    operation: string,
    body: object = {},
    attachments: readonly Uint8Array[] = [],
    signal?: AbortSignal,
  ): Promise<Body> {
    return (await this.runWhole<Body>(operation, body, attachments, signal)).body;
  }

  /** As `run`, with the attachments of the result. */
  runWhole<Body>(
    operation: string,
    body: object = {},
    attachments: readonly Uint8Array[] = [],
    signal?: AbortSignal,
  ): Promise<Done<Body>> {
    throwIfAborted(operation, signal);
    const { ticket, done } = this.start<Body>(operation, body, attachments);
    return this.cancelBy(signal, ticket, done);
  }

  /** Gives an operation up when `signal` fires; the promise then ends as the core says. */
  cancelBy<T>(signal: AbortSignal | undefined, ticket: number, done: Promise<T>): Promise<T> {
    if (!signal) return done;
    const abort = () => this.cancel(ticket);
    signal.addEventListener('abort', abort, { once: true });
    const settled = done.finally(() => signal.removeEventListener('abort', abort));
    return settled.catch((error: unknown) => {
      throw withReason(error, signal);
    });
  }

  /** Gives an open operation up. */
  cancel(ticket: number): void {
    if (!this.#closed) native().cancel(this.#handle, ticket);
  }

  /** Answers an event; what the core thinks of the answer concerns nobody. */
  answer(operation: string, body: object, attachments: readonly Uint8Array[] = []): void {
    if (!this.#closed) this.start(operation, body, attachments).done.catch(() => {});
  }

  /** Ends the session at once; everything pending fails with kind `closed`. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    native().close(this.#handle);
    clearInterval(this.#keepAlive);
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { operation, reject } of pending) reject(closedError(operation));
    for (const listener of this.#onClose) listener();
  }

  #drain(): void {
    if (this.#closed) return;
    const flat = native().drain(this.#handle, DRAIN_EVENTS_MAX);
    // The queue was not emptied, so the bell stays silent: come back by ourselves.
    if (flat.length >= DRAIN_EVENTS_MAX * 4) setImmediate(() => this.#drain());
    for (let at = 0; at < flat.length; at += 4) {
      const attachments = (flat[at + 3] ?? []) as readonly Uint8Array[];
      try {
        const body: unknown = JSON.parse(flat[at + 2] as string);
        this.#dispatch(flat[at] as number, flat[at + 1] as number, body, attachments);
      } catch (error) {
        process.emitWarning(`an event was lost: ${messageOf(error)}`, 'HublessWarning');
      }
    }
  }

  #dispatch(kind: number, id: number, body: unknown, attachments: readonly Uint8Array[]): void {
    if (kind === EVENT.done) {
      const pending = this.#take(id);
      pending?.onDone?.(body as never);
      pending?.resolve({ body, attachments } as Done<never>);
    } else if (kind === EVENT.failed) {
      this.#take(id)?.reject(fromWire(body as WireError));
    } else {
      this.#listeners.get(kind)?.(id, body as never, attachments);
    }
  }

  #take(ticket: number): Pending | undefined {
    const pending = this.#pending.get(ticket);
    if (this.#pending.delete(ticket) && this.#pending.size === 0) this.#release();
    return pending;
  }

  #hold(): void {
    this.#holders += 1;
    if (this.#holders === 1 && this.#keepsAlive) this.#keepAlive.ref();
  }

  #release(): void {
    this.#holders -= 1;
    if (this.#holders === 0) this.#keepAlive.unref();
  }
}

/** Fails with kind `cancelled` when the signal has fired already. */
export function throwIfAborted(operation: string, signal: AbortSignal | undefined): void {
  if (!signal?.aborted) return;
  const fields = { kind: 'cancelled', operation, message: 'cancelled by the caller' } as const;
  throw new HublessError(fields, { cause: signal.reason });
}

function withReason(error: unknown, signal: AbortSignal): unknown {
  if (error instanceof HublessError && error.kind === 'cancelled' && signal.aborted) {
    error.cause ??= signal.reason;
  }
  return error;
}
