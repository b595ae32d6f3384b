/**
 * The native surface: what the addon exports, no more and no less (a test compares them).
 * Bodies are JSON texts; operations and events are those of `bindings/CONTRACT.md`.
 */

/** One completion queue with at most one node behind it. */
export interface NativeSession {
  readonly nativeSession: unique symbol;
}

/** Events, flat: kind, ticket, body, attachments of the first, then of the second, and so on. */
export type NativeEvents = readonly (number | string | readonly Uint8Array[] | null)[];

/** What the addon exports. */
export interface Native {
  /** Returns the version of the library. */
  version(): string;
  /** Opens a session; `doorbell` is called when its queue turns from empty to non-empty. */
  open(doorbell: () => void): NativeSession;
  /** Starts an operation; false when the session is closed. Attachments are copied. */
  submit(
    session: NativeSession,
    ticket: number,
    operation: string,
    body: string,
    attachments: readonly Uint8Array[],
  ): boolean;
  /** Gives an open operation up. */
  cancel(session: NativeSession, ticket: number): void;
  /** Takes at most `max` queued events. */
  drain(session: NativeSession, max: number): NativeEvents;
  /** Ends the session at once; idempotent. */
  close(session: NativeSession): void;
  /** Counts live sessions, agents, calls, streams and bodies of the process. */
  handles(): number;
}

/** What a build with the cargo feature `testing` exports besides. */
export interface NativeTesting {
  /** Panics; arrives as an ordinary error. */
  panicNow(): void;
  /** Carries byte strings to the core's side and back. */
  echoBytes(attachments: readonly Uint8Array[]): readonly Uint8Array[];
}
