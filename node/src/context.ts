/**
 * What a handler knows about the call it handles, explicitly and ambiently.
 * Owns the operations on a running call. Tested by `test/handlers.test.mjs`.
 */

import { AsyncLocalStorage } from 'node:async_hooks';
import { type Content, decodeContent, decodePart, Encoder, type Part, plain } from './content.js';
import { HublessError } from './errors.js';
import type { Node } from './node.js';
import type { ContextData, RequestOptions } from './options.js';
import { jsonSchemaOf, type Schema } from './schema.js';
import type { Session } from './session.js';
import type { WireCall, WireContent, WirePart } from './wire.js';

/**
 * Who asks, as the node found out; never taken from the message.
 *
 * @example
 * await node.agent({ name: 'who' }, (_, ctx) => {
 *   const caller: Caller = ctx.caller;
 *   return caller.kind;
 * });
 * assert.equal((await node.request('who')).value, 'local');
 */
export interface Caller {
  /** How the caller is related to this node. */
  kind: 'local' | 'member' | 'bridged' | 'external' | 'edge';
  /** Key of its node. */
  node: string;
  /** Id of the calling agent, when an agent calls. */
  agent?: string | null;
  /** Who it is in one string, such as `mesh:<node key>`. */
  principal: string;
  /** Its mesh. */
  mesh: string;
  /** Its role in the mesh, if it has one. */
  role?: string;
  /** The groups that its membership names. */
  groups: readonly string[];
}

/**
 * A tool that the caller offers.
 *
 * @example
 * const named = (tool: OfferedTool) => tool.name;
 * await node.agent({ name: 'lists' }, (_, ctx) => ctx.tools.map(named));
 * const tools = [{ name: 'add', run: () => 2 }];
 * assert.deepEqual((await node.request('lists', null, { tools })).value, ['add']);
 */
export interface OfferedTool {
  /** Name to call it by. */
  readonly name: string;
  /** What it does. */
  readonly description: string;
  /** JSON Schema of its arguments. */
  readonly inputSchema?: object;
  /** What may be repeated. */
  readonly effect?: string;
}

/**
 * A call being handled.
 *
 * @example
 * await node.agent({ name: 'polite' }, async (input, ctx: CallContext) => {
 *   await ctx.progress('asking', 0.5);
 *   return (await ctx.node.request('greet', input, { signal: ctx.signal })).value;
 * });
 * assert.equal((await node.request('polite', 'Ada')).value, 'hello Ada');
 */
export class CallContext {
  /** The node that handles it; calls that the handler makes through it are children of this. */
  readonly node: Node;
  /** The skill asked for. */
  readonly skill: string | undefined;
  /** All that was sent. */
  readonly content: Content;
  /** Who asks. */
  readonly caller: Caller;
  /** Scheme of the credential that was shown; never the credential itself. */
  readonly authScheme: string | undefined;
  /** What the caller can take. */
  readonly accept: RequestOptions['accept'];
  /** What the caller let the handler know besides. */
  readonly context: ContextData | undefined;
  /** The conversation it belongs to, chosen by the caller. */
  readonly conversationId: string | undefined;
  /** What the caller offers to be called back. */
  readonly tools: readonly OfferedTool[];
  /** Depth of nested calls; 0 where nobody's handler made the call. */
  readonly depth: number;
  /** W3C trace context of this call. */
  readonly trace: { readonly traceparent?: string; readonly tracestate?: string };
  /** Key under which the outcome is remembered. */
  readonly idempotencyKey: string | undefined;
  /** Further facts from the caller. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Id of the request, the same in every attempt. */
  readonly requestId: string;
  /** Which try this is. */
  readonly attempt: number;
  /** JSON Schema that the caller wants the answer to hold. */
  readonly outputSchema: object | undefined;
  readonly #session: Session;
  readonly #id: number;
  readonly #deadlineAt: number;
  readonly #isolated: boolean;
  #controller: AbortController | undefined;
  #cancelled: unknown;

  /** Made by the node for every call. */
  constructor(node: Node, session: Session, id: number, wire: WireCall, content: Content) {
    this.node = node;
    this.#session = session;
    this.#id = id;
    this.#isolated = wire.fresh;
    this.#deadlineAt = performance.now() + wire.deadlineMs;
    this.content = content;
    this.skill = wire.skill || undefined;
    this.authScheme = wire.authScheme || undefined;
    this.caller = wire.caller as unknown as Caller;
    this.accept = wire.accept as RequestOptions['accept'];
    this.context = wire.context;
    this.conversationId = wire.conversationId;
    this.tools = (wire.tools ?? []) as readonly OfferedTool[];
    this.depth = wire.depth;
    this.trace = wire.trace ?? {};
    this.idempotencyKey = wire.idempotencyKey;
    this.metadata = wire.metadata ?? {};
    this.requestId = wire.requestId;
    this.attempt = wire.attempt;
    this.outputSchema = wire.outputSchema;
  }

  /** Milliseconds that are left; 0 when the time is over. */
  get remainingMs(): number {
    return Math.max(0, Math.round(this.#deadlineAt - performance.now()));
  }

  /** When the time is over. */
  get deadline(): Date {
    return new Date(Date.now() + this.remainingMs);
  }

  /** Fires when nobody waits for the answer any more; pass it to whatever the handler awaits. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#cancelled !== undefined) this.#controller.abort(this.#cancelled);
    return this.#controller.signal;
  }

  /** Whether `signal` has fired. */
  get cancelled(): boolean {
    return this.#cancelled !== undefined;
  }

  /** Tells the caller how far the call is; `fraction` from 0 to 1. */
  async progress(note: string, fraction?: number): Promise<void> {
    await this.#session.run('call.progress', { call: this.#id, note, fraction });
  }

  /** Sends a part of the answer; done when there is room for more. Generators do it by `yield`. */
  async chunk(value: unknown, options: { append?: boolean } = {}): Promise<void> {
    const encoder = new Encoder();
    const content = encoder.content(value) as { parts?: object[]; value?: unknown };
    const parts = content.parts ?? [{ value: content.value }];
    const opening = encoder.open(this.#session);
    if (opening) await opening;
    for (const part of parts) {
      const body = { call: this.#id, part, append: options.append };
      const sent = this.#session.run('call.chunk', body, encoder.attachments);
      if (part === parts[0]) encoder.pump(this.#session);
      await sent;
    }
  }

  /** Calls a tool that the caller offered; gives its value, or its content if that has no value. */
  async callTool(name: string, input: unknown): Promise<unknown> {
    const body = { call: this.#id, name, arguments: input ?? {} };
    return plain(await this.#content('call.tool', body, []));
  }

  /** Asks the caller back; gives the answer's value, or its content if that has no value. */
  async input(prompt: unknown, options: { schema?: Schema } = {}): Promise<unknown> {
    const encoder = new Encoder();
    const schema = jsonSchemaOf(options.schema, 'input', 'schema');
    const body = { call: this.#id, prompt: encoder.content(prompt), schema };
    return plain(await this.#content('call.input', body, encoder.attachments));
  }

  /** Adds to the usage that the answer reports. */
  async usage(spent: {
    inputTokens?: number;
    outputTokens?: number;
    costMicros?: number;
    calls?: number;
    model?: string;
  }): Promise<void> {
    await this.#session.run('call.usage', { call: this.#id, ...spent });
  }

  /** The turns of this conversation before this call, if the agent records them. */
  async history(): Promise<Part[]> {
    const { body, attachments } = await this.#session.runWhole<{ turns: WirePart[] }>(
      'call.history',
      { call: this.#id },
    );
    return body.turns.map((turn) => decodePart(this.#session, turn, attachments));
  }

  /** The number by which this call is the parent of another of the same session. */
  parentFor(session: Session): number | undefined {
    return session === this.#session ? this.#id : undefined;
  }

  /** The same, if agents registered in this call end with it: only in an isolated one. */
  ownerFor(session: Session): number | undefined {
    return this.#isolated ? this.parentFor(session) : undefined;
  }

  /** Stops the handler; called by the node. */
  cancel(reason: { kind?: string; message?: string }): void {
    const fields = { kind: 'cancelled', operation: 'call', message: reason.message ?? 'cancelled' };
    this.#cancelled ??= new HublessError({ ...fields, kind: 'cancelled' });
    this.#controller?.abort(this.#cancelled);
  }

  async #content(operation: string, body: object, sent: readonly Uint8Array[]): Promise<Content> {
    const done = await this.#session.runWhole<WireContent>(operation, body, sent);
    return decodeContent(this.#session, done.body, done.attachments);
  }
}

const storage = new AsyncLocalStorage<CallContext>();

/**
 * The call being handled here, undefined outside handlers.
 *
 * @example
 * await node.agent({ name: 'deep' }, () => current()?.depth);
 * assert.equal((await node.request('deep')).value, 0);
 * assert.equal(current(), undefined);
 */
export function current(): CallContext | undefined {
  return storage.getStore();
}

/** Runs `work` with `context` as the current call. */
export function runIn<T>(context: CallContext, work: () => T): T {
  return storage.run(context, work);
}
