/** The answer of a call. Owns its decoding. Tested by `test/request.test.mjs`. */

import { type Content, decodeContent } from './content.js';
import type { Session } from './session.js';
import type { WireReply } from './wire.js';

/**
 * What a call spent.
 *
 * @example
 * const usage: Usage = (await node.request('greet', 'Ada')).usage;
 * assert.equal(usage.inputTokens + usage.costMicros, 0);
 */
export interface Usage {
  /** Tokens read. */
  inputTokens: number;
  /** Tokens written. */
  outputTokens: number;
  /** Millionths of the currency unit. */
  costMicros: number;
  /** Calls made for it. */
  calls: number;
  /** The same by model. */
  byModel: Readonly<Record<string, unknown>>;
  /** Whether somebody who said nothing was charged all that was granted. */
  chargedInFull: boolean;
}

/**
 * Where the time went, in microseconds.
 *
 * @example
 * const timing: Timing = (await node.request('greet', 'Ada')).timing;
 * assert.ok(timing.handlerUs >= 0);
 */
export interface Timing {
  /** Waiting for a free place. */
  queueUs: number;
  /** In the handler. */
  handlerUs: number;
  /** On the way. */
  networkUs: number;
}

/**
 * A whole answer.
 *
 * @example
 * const reply: Reply = await node.request('greet', 'Ada');
 * assert.deepEqual([reply.text, reply.path], ['hello Ada', 'in_process']);
 */
export interface Reply<Value = unknown> {
  /** All parts. */
  readonly content: Content;
  /** The string of a single text part, the value of a single data part, else null. */
  readonly value: Value;
  /** All text parts joined. */
  readonly text: string;
  /** What was spent. */
  readonly usage: Usage;
  /** Where the time went. */
  readonly timing: Timing;
  /** Who answered. */
  readonly agent: { readonly agentId: string; readonly name: string; readonly nodeKey: string };
  /** How the agent was reached. */
  readonly path: 'in_process' | 'direct' | 'relay';
  /** How often it was tried. */
  readonly attempts: number;
  /** 32 hex digits by which `hubless trace` draws all calls that it caused. */
  readonly traceId: string;
}

/** Makes a reply of what the core gave. */
export function decodeReply(
  session: Session,
  wire: WireReply,
  attachments: readonly Uint8Array[],
): Reply {
  const { value, text, agent, path, attempts, traceId } = wire;
  const content = decodeContent(session, wire.content, attachments);
  const usage = wire.usage as unknown as Usage;
  const timing = wire.timing as unknown as Timing;
  return { content, value, text, usage, timing, agent, path, attempts, traceId };
}
