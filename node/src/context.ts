/**
 * What a handler knows about the call it handles, explicitly and ambiently.
 * Owns the operations on a running call. Tested by `test/handlers.test.mjs`.
 */

import { ambientCall } from './ambient.js';
import { type Amounts, carried } from './budget.js';
import { type Content, decodeContent, decodePart, Encoder, type Part, plain } from './content.js';
import { type ErrorKind, HublessError } from './errors.js';
import type { Node } from './node.js';
import type { ContextData, RequestOptions } from './options.js';
import { decodeProvider, type Provider, type ProviderOptions } from './provider.js';
import { jsonSchemaOf, type Schema } from './schema.js';
import type { Session } from './session.js';
import { encodeLimits, Spend, type SpendLimits } from './spend.js';
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
  /** How the caller is related to this node; `bridged` calls are refused by this version. */
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
  /** W3C trace context and baggage of this call. */
  readonly trace: {
    readonly traceparent?: string;
    readonly tracestate?: string;
    readonly baggage?: string;
  };
  /** Key under which the outcome is remembered. */
  readonly idempotencyKey: string | undefined;
  /** Further facts from the caller. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Id of the request, the same in every attempt. */
  readonly requestId: string;
  /** Which try this is. */
  readonly attempt: number;
  /** JSON Schema that the caller says the content holds. */
  readonly inputSchema: object | undefined;
  /** JSON Schema that the caller wants the answer to hold. */
  readonly outputSchema: object | undefined;
  /** What the call was given of its budget, null: not limited; undefined: it has none. */
  readonly granted: Required<Amounts> | undefined;
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
    this.inputSchema = wire.inputSchema;
    this.outputSchema = wire.outputSchema;
    this.granted = wire.granted;
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

  /**
   * Sends a piece of the answer; done when there is room for more. Generators do it by `yield`.
   * With `append` it continues the part before, which text does unless told otherwise. Each part of
   * a list of parts, or of a content, is a piece of its own.
   */
  async chunk(value: unknown, options: { append?: boolean } = {}): Promise<void> {
    const encoder = new Encoder();
    const content = encoder.content(value);
    const opening = encoder.open(this.#session);
    if (opening) await opening;
    const body = { call: this.#id, content, append: options.append };
    const sent = this.#session.run('call.chunk', body, encoder.attachments);
    encoder.pump(this.#session);
    await sent;
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

  /**
   * Sets the most of one spending aside before it begins, and charges it in full unless it is said
   * what was {@link Spend.used}. With `work` the spending ends with that, whatever becomes of it;
   * without, by `using`, {@link Spend.close} or the end of the call. A call without a budget sets
   * nothing aside.
   *
   * A handler that never does it is charged all that its call was granted; one that only calls
   * others says so by `{}`.
   *
   * @throws HublessError - `budget_exhausted` where it does not fit, `killed` after a stop,
   *   `invalid_argument` for what is no amount
   *
   * @example
   * await node.agent({ name: 'thinks' }, (_, ctx) =>
   *   ctx.spend({ maxInput: 500, maxOutput: 100 }, async (spend) => {
   *     spend.used({ input: 420, output: 60 });
   *     return 'thought';
   *   }),
   * );
   * assert.equal((await node.request('thinks')).usage.outputTokens, 60);
   */
  spend(most: SpendLimits): Promise<Spend>;
  /** The same, for as long as `work` runs; gives what that gives. */
  spend<T>(most: SpendLimits, work: (spend: Spend) => T | Promise<T>): Promise<T>;
  /** What both do. */
  async spend<T>(most: SpendLimits, work?: (spend: Spend) => T | Promise<T>): Promise<Spend | T> {
    const body = { call: this.#id, ...encodeLimits(most) };
    const opened = await this.#session.run<{ spend: number }>('call.spend', body);
    const spend = new Spend(opened.spend);
    if (!work) return spend;
    try {
      return await work(spend);
    } finally {
      spend.close();
    }
  }

  /**
   * Stops this call and everything below it, for good: all that its grant pays for. Its handler
   * and those that it asked are cancelled, on any node, and nothing more is spent. The caller gets
   * kind `killed`, code `operator`; its budget, and what else that pays for, go on with what was
   * not used.
   *
   * @throws HublessError - `not_found`, code `grant`, for a call without a budget: it holds nothing
   *
   * @example
   * await node.agent({ name: 'doubts' }, async (_, ctx) => {
   *   await ctx.spend({ maxOutput: 100 }, (spend) => spend.used({ output: 60 }));
   *   await ctx.trip();
   * });
   * using killSwitch = new KillSwitch({ outputTokens: 1_000 });
   * await assert.rejects(node.request('doubts', null, { killSwitch }), { kind: 'killed' });
   * assert.deepEqual([killSwitch.state, killSwitch.remaining.outputTokens], ['armed', 940]);
   */
  async trip(): Promise<void> {
    await this.#session.run('call.trip', { call: this.#id });
  }

  /**
   * Gives a base URL and a short-lived key of the node's metering gateway, for a client of OpenAI's
   * API in this handler. What the key may take is set aside in the grant of the call first:
   * `maxInput` and `maxOutput` tokens and `maxCost`, in millionths of the currency, each a quarter
   * of what is free unless it is said. What the budget does not limit, and is not said, only the
   * node's own key limits; it counts in the usage of the answer alone. Each time it is another key.
   * All of them end with the call, with the stop of its budget, or with its total deadline, and
   * after ten minutes at the latest; what the gateway says they took is charged at the end of the
   * call, and all that was set aside where it says nothing.
   *
   * @throws HublessError - `configuration`: code `no_budget`, `no_gateway`, or `token_limit` where
   *   tokens are to be limited and the node's own key is of version 2, which limits cost alone;
   *   `budget_exhausted` where it does not fit
   *
   * @example
   * await node.agent({ name: 'thinks' }, async (_, ctx) => {
   *   const { baseUrl, apiKey } = await ctx.provider({ maxOutput: 2_000, maxCost: 20_000 });
   *   return fetch(`${baseUrl}/models`, { headers: { authorization: `Bearer ${apiKey}` } });
   * });
   * await assert.rejects(node.request('thinks'), { kind: 'configuration' });
   */
  async provider(options: ProviderOptions = {}): Promise<Provider> {
    const most = (limit?: number) => (limit === undefined ? undefined : carried(limit));
    const { maxInput, maxOutput, maxCost } = options;
    const body = {
      call: this.#id,
      maxInput: most(maxInput),
      maxOutput: most(maxOutput),
      maxCost: most(maxCost),
    };
    type Wire = Parameters<typeof decodeProvider>[0];
    return decodeProvider(await this.#session.run<Wire>('call.provider', body));
  }

  /** The turns of this conversation before this call, if the agent records them. */
  async history(): Promise<Part[]> {
    const { body, attachments } = await this.#session.runWhole<{ turns: WirePart[] }>(
      'call.history',
      { call: this.#id },
    );
    return body.turns.map((turn) => decodePart(this.#session, turn, attachments));
  }

  /** The number by which this call is the parent of another one, through whichever node. */
  get parentId(): number {
    return this.#id;
  }

  /** The same, if agents registered in this call end with it: in an isolated one of their node. */
  ownerFor(session: Session): number | undefined {
    return this.#isolated && session === this.#session ? this.#id : undefined;
  }

  /** Stops the handler; called by the node. */
  cancel(reason: { kind?: ErrorKind; message?: string }): void {
    const { kind = 'cancelled', message = 'cancelled' } = reason;
    this.#cancelled ??= new HublessError({ kind, operation: 'call', message });
    this.#controller?.abort(this.#cancelled);
  }

  async #content(operation: string, body: object, sent: readonly Uint8Array[]): Promise<Content> {
    const done = await this.#session.runWhole<WireContent>(operation, body, sent);
    return decodeContent(this.#session, done.body, done.attachments);
  }
}

/**
 * The call being handled here, undefined outside handlers.
 *
 * @example
 * await node.agent({ name: 'deep' }, () => current()?.depth);
 * assert.equal((await node.request('deep')).value, 0);
 * assert.equal(current(), undefined);
 */
export function current(): CallContext | undefined {
  return ambientCall();
}
