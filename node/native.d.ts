/**
 * The native surface: what the addon exports, no more and no less (a test compares them).
 * Bodies are JSON texts; operations and events are those of `bindings/CONTRACT.md`.
 */

/** One completion queue with at most one node behind it. */
export interface NativeSession {
  readonly nativeSession: unique symbol;
}

/** Stands for something that is let go of when this is garbage collected, or its thread ends. */
export interface LastWord {
  readonly lastWord: unique symbol;
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
  /** Answers at once, without a session: true and a result, or false and an error. */
  ask(operation: string, body: string): readonly [boolean, string];
  /** Gives an object with whose end `ask` is called once. */
  whenGone(operation: string, body: string): LastWord;
  /** Gives an open operation up. */
  cancel(session: NativeSession, ticket: number): void;
  /** Takes at most `max` queued events. */
  drain(session: NativeSession, max: number): NativeEvents;
  /** Ends the session at once; idempotent. */
  close(session: NativeSession): void;
  /** Counts live sessions, agents, calls, streams, bodies, switches and spendings. */
  handles(): number;
}

/** What a build with the cargo feature `testing` exports besides. */
export interface NativeTesting {
  /** Panics; arrives as an ordinary error. */
  panicNow(): void;
  /** Carries byte strings to the core's side and back. */
  echoBytes(attachments: readonly Uint8Array[]): readonly Uint8Array[];
}
