/**
 * The one error type, with the same kinds in every language.
 * Knows the contract's error record, nothing of operations. Tested by `test/errors.test.mjs`.
 */

/**
 * Every kind of error, the same closed set in every language.
 *
 * @example
 * assert.ok(ERROR_KINDS.includes('handler_failed'));
 */
export const ERROR_KINDS = [
  'auth',
  'prompt',
  'json',
  'content',
  'transport',
  'context',
  'configuration',
  'not_found',
  'ambiguous',
  'busy',
  'deadline',
  'cancelled',
  'hop_limit',
  'cycle',
  'conflict',
  'stale_attempt',
  'unknown_outcome',
  'budget_exhausted',
  'killed',
  'handler_failed',
  'too_large',
  'unsupported',
  'expired',
  'revoked',
  'denied',
  'invalid_argument',
  'closed',
  'internal',
] as const;

/**
 * One of {@link ERROR_KINDS}.
 *
 * @example
 * const again: readonly ErrorKind[] = ['busy', 'transport'];
 * const retry = { attempts: 3, on: again };
 * assert.equal((await node.request('greet', 'Ada', { effect: 'PURE', retry })).attempts, 1);
 */
export type ErrorKind = (typeof ERROR_KINDS)[number];

/**
 * Whether a later try can help: never, later, or after so many milliseconds.
 *
 * @example
 * const wait = (retry: Retry) => (typeof retry === 'object' ? retry.afterMs : 0);
 * assert.equal(wait({ afterMs: 50 }), 50);
 */
export type Retry = 'never' | 'later' | { afterMs: number };

/**
 * The fields of an error, as they are carried between agents.
 *
 * @example
 * const fields: ErrorFields = { kind: 'busy', message: 'come back', retry: { afterMs: 50 } };
 * assert.deepEqual(new HublessError(fields).retry, { afterMs: 50 });
 */
export interface ErrorFields {
  /** What went wrong, from the closed set. */
  kind: ErrorKind;
  /** For people: lower case, no secrets. */
  message: string;
  /** Detail in snake_case, an open set. */
  code?: string;
  /** What was being done. */
  operation?: string;
  /** The argument or message field that was refused. */
  field?: string;
  /** The bound that was reached. */
  limit?: { name: string; value: number };
  /** Whether a later try can help; default what the kind says, as callers of a handler see it. */
  retry?: Retry;
  /** Id of the agent that refused or failed. */
  agent?: string;
  /** The node that said so. */
  origin?: string;
  /** Trace id of the call. */
  traceId?: string;
  /** JSON pointer (RFC 6901) into the value that was refused; empty: to all of it. */
  pointer?: string;
  /** Ids of the agents that share an ambiguous name. */
  candidates?: readonly string[];
}

/** What an error was made with, which leaves it to the kind where nothing was said. */
let givenRetry: (error: HublessError) => Retry | undefined;

/**
 * An error of Hubless. Its `name` is `AbortError` for kind `cancelled` and `TimeoutError` for kind
 * `deadline`, as for other functions that take an `AbortSignal`.
 *
 * One that a handler throws reaches the caller with its kind, code and message.
 *
 * @example
 * await node.agent({ name: 'shop' }, () => {
 *   throw new HublessError({ kind: 'denied', code: 'closed_today', message: 'closed on sundays' });
 * });
 * await assert.rejects(node.request('shop'), { kind: 'denied', code: 'closed_today' });
 */
export class HublessError extends Error {
  /** What went wrong, from the closed set. */
  readonly kind: ErrorKind;
  /** Detail in snake_case. */
  readonly code: string | undefined;
  /** What was being done. */
  readonly operation: string;
  /** The argument or message field that was refused. */
  readonly field: string | undefined;
  /** The bound that was reached. */
  readonly limit: { readonly name: string; readonly value: number } | undefined;
  /** Whether a later try can help; `'never'` for one made here that says nothing. */
  readonly retry: Retry;
  /** Id of the agent that refused or failed. */
  readonly agent: string | undefined;
  /** The node that said so. */
  readonly origin: string | undefined;
  /** Trace id of the call. */
  readonly traceId: string | undefined;
  /** JSON pointer (RFC 6901) into the value that was refused; empty: to all of it. */
  readonly pointer: string | undefined;
  /** Ids of the agents that share an ambiguous name; empty for other kinds. */
  readonly candidates: readonly string[];
  readonly #givenRetry: Retry | undefined;

  static {
    givenRetry = (error) => error.#givenRetry;
  }

  /** Makes an error from its fields; `cause` is kept on this side and never sent. */
  constructor(fields: ErrorFields, options?: { cause?: unknown }) {
    super(fields.message, options);
    this.kind = fields.kind;
    this.code = fields.code;
    this.operation = fields.operation ?? '';
    this.field = fields.field;
    this.limit = fields.limit;
    this.#givenRetry = fields.retry;
    this.retry = fields.retry ?? 'never';
    this.agent = fields.agent;
    this.origin = fields.origin;
    this.traceId = fields.traceId;
    this.pointer = fields.pointer;
    this.candidates = fields.candidates ?? [];
    this.name = nameOf(fields.kind, new.target.name);
  }
}

/**
 * A refusal by the agent asked or by its node, raised by `request` and `stream`.
 *
 * @example
 * await node.agent({ name: 'mute', requirements: { maxTokens: 0 } }, () => 'never');
 * await assert.rejects(node.request('mute', 'hi'), Rejected);
 */
export class Rejected extends HublessError {}

/** The contract's error record. */
export interface WireError extends ErrorFields {
  /** Whether an agent or its node refused. */
  rejection?: boolean;
}

/** Makes the error that the core reported. */
export function fromWire(wire: WireError): HublessError {
  return wire.rejection ? new Rejected(wire) : new HublessError(wire);
}

/** What `call.fail` gets for whatever a handler threw: an error of Hubless keeps its kind. */
export function toFailure(thrown: unknown): Record<string, unknown> {
  if (thrown instanceof HublessError) {
    const { kind, code, message, field } = thrown;
    return { kind, code, message, field, retry: givenRetry(thrown) };
  }
  return { message: messageOf(thrown) };
}

/** The text of whatever was thrown. */
export function messageOf(thrown: unknown): string {
  try {
    return thrown instanceof Error ? thrown.message || thrown.name : String(thrown);
  } catch {
    return 'a value without a text was thrown';
  }
}

/** An error for a wrong argument. */
export function invalidArgument(operation: string, field: string, message: string): HublessError {
  return new HublessError({ kind: 'invalid_argument', operation, field, message });
}

/** The error of everything asked of a closed node. */
export function closedError(operation: string): HublessError {
  return new HublessError({ kind: 'closed', operation, message: 'the node is closed' });
}

function nameOf(kind: ErrorKind, className: string): string {
  if (kind === 'cancelled') return 'AbortError';
  if (kind === 'deadline') return 'TimeoutError';
  return className;
}
