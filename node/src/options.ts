/**
 * What callers and hosts of agents can ask for, as types; the core checks the values.
 * No logic. Tested by the type tests in `test/types`.
 */

import type { Agent } from './agent.js';
import type { Amounts, Orphans } from './budget.js';
import type { CallContext, Caller } from './context.js';
import type { ErrorKind } from './errors.js';
import type { KillSwitch } from './killswitch.js';
import type { OutputOf, Schema } from './schema.js';

/**
 * A typed fact about a skill.
 *
 * @example
 * const attributes: Record<string, Attribute> = {
 *   pair: ['EUR/USD', 'EUR/GBP'],
 *   covers: { interval: { from: '2021-01-01', to: '2024-12-31' } },
 * };
 * await node.agent({ name: 'archive', attributes }, () => 'old rates');
 * const filter = { field: 'attributes.pair', op: 'contains', value: 'EUR/GBP' } as const;
 * assert.equal((await node.peer('', { filter })).name, 'archive');
 */
export type Attribute =
  | string
  | number
  | boolean
  | { date: string }
  | { interval: { from: string | number; to: string | number } }
  | readonly Attribute[];

/**
 * What may be repeated: always, with the same key, or never. Default `AT_MOST_ONCE`.
 *
 * @example
 * const effect: Effect = 'PURE';
 * await node.agent({ name: 'square', effect }, (n) => Number(n) ** 2);
 */
export type Effect = 'PURE' | 'IDEMPOTENT' | 'AT_MOST_ONCE';

/**
 * What an agent can do, besides its schemas.
 *
 * @example
 * const skill: SkillOptions = { title: 'Squares a number', input: z.number(), effect: 'PURE' };
 * await node.agent({ name: 'square', ...skill }, (n) => Number(n) ** 2);
 */
export interface SkillOptions<In extends Schema = Schema, Out extends Schema = Schema> {
  /** A title for people. */
  title?: string;
  /** What it does; what is searched in. */
  description?: string;
  /** Words to find it by. */
  tags?: readonly string[];
  /** Typed facts to find it by, at most 32. */
  attributes?: Readonly<Record<string, Attribute>>;
  /** What may be repeated. */
  effect?: Effect;
  /** Whether it spends tokens; default `tokens`. */
  spends?: 'none' | 'tokens';
  /** Who may keep its results; default `no`. */
  share?: 'no' | 'mesh' | 'public';
  /** Schema of the input: any Standard Schema, or a JSON Schema. */
  input?: In;
  /** Schema of the result. */
  output?: Out;
  /** What is asked and answered, for people and models. */
  examples?: readonly { text?: string; input?: unknown; output?: unknown }[];
  /** Media types it takes. */
  modesIn?: readonly string[];
  /** Media types it gives. */
  modesOut?: readonly string[];
  /** What it costs, roughly. */
  costHint?: Readonly<Record<string, unknown>>;
}

/**
 * What an auth function answers: admitted or not, perhaps for a while (at most 60 s).
 *
 * @example
 * const verdict: Verdict = { allow: true, cacheMs: 1000 };
 * await node.agent({ name: 'kept', requirements: { auth: () => verdict } }, () => 'in');
 */
export type Verdict = boolean | { allow: boolean; cacheMs?: number };

/**
 * What an auth function is asked.
 *
 * @example
 * const auth = async ({ scheme, credential }: AuthQuestion) =>
 *   scheme === 'bearer' && credential === 'open-sesame';
 * await node.agent({ name: 'cave', requirements: { auth } }, () => 'in');
 * await assert.rejects(node.request('cave'), { kind: 'auth' });
 */
export interface AuthQuestion {
  /** Scheme of the credential, empty where none is shown. */
  scheme: string;
  /** The credential as shown. */
  credential: string;
  /** Who shows it. */
  caller: Caller;
}

/**
 * Biscuit tokens that one root signed and that state certain facts; callers show them as
 * `{ scheme: 'token', secret: token }`. `hubless id token` signs such tokens, as does any library
 * for Biscuit tokens.
 *
 * Source: Biscuit 3, https://www.biscuitsec.org.
 *
 * @example
 * const token: TokenRule = { root: node.meshId, facts: { team: 'finance', level: 3 } };
 * await node.agent({ name: 'ledger', requirements: { auth: { token } } }, () => 'open');
 * const shown = { scheme: 'token', secret: 'forged' };
 * await assert.rejects(node.request('ledger', null, { auth: shown }), { kind: 'auth' });
 */
export interface TokenRule {
  /** Public key of the root as 64 hex digits; that of a mesh is the mesh id. */
  root: string;
  /** What the root must have stated; of a list, each value. */
  facts?: Readonly<Record<string, Fact | readonly Fact[]>>;
}

type Fact = string | number | boolean;

/**
 * Who is let in: everybody, holders of a secret or of a token, or whom a function of yours admits.
 *
 * @example
 * const auth: AuthRule = { sharedSecret: 'open-sesame' };
 * await node.agent({ name: 'cave', requirements: { auth } }, () => 'in');
 * const shown = { scheme: 'shared_secret', secret: 'open-sesame' };
 * assert.equal((await node.request('cave', null, { auth: shown })).value, 'in');
 */
export type AuthRule =
  | 'none'
  | { sharedSecret: string }
  | { token: TokenRule }
  | ((question: AuthQuestion) => Verdict | Promise<Verdict>);

/**
 * Counts the tokens of all texts together.
 *
 * @example
 * const tokenCounter: TokenCounter = (texts) => texts.join(' ').split(' ').length;
 * await node.agent({ name: 'brief', requirements: { maxTokens: 2, tokenCounter } }, () => 'ok');
 * await assert.rejects(node.request('brief', 'far too many words'), { kind: 'prompt' });
 */
export type TokenCounter = (texts: readonly string[]) => number | Promise<number>;

/**
 * What an agent enforces; private to its node and never sent to anybody.
 *
 * @example
 * const requirements: Requirements = { maxTokens: 8_000, maxConcurrency: 4, queue: 16 };
 * await node.agent({ name: 'busy', requirements }, () => 'ok');
 * assert.equal((await node.request('busy', 'short')).value, 'ok');
 */
export interface Requirements {
  /** Whether content must be a dialogue; default false. */
  requireConverse?: boolean;
  /**
   * False: refuses requests that reshape it, by own schemas or an explanation of the context. True:
   * its key may serve a second agent of this node that allows it too.
   */
  allowAgentDuplication?: boolean;
  /** Whether a request may bring a context; default true. */
  allowCustomContext?: boolean;
  /** Whether a request may bring schemas of its own; default true. */
  allowCustomJson?: boolean;
  /** Whether callers outside the mesh are taken; default false. */
  allowExternalConnections?: boolean;
  /** What kinds of content are taken; unset is all. */
  acceptedContent?: readonly ('text' | 'image' | 'video' | 'audio' | 'application' | 'other')[];
  /** Tokens of all text that reaches the model; unset is unlimited, 0 refuses everything. */
  maxTokens?: number;
  /** What counts tokens; default the built-in counter (o200k). */
  tokenCounter?: 'builtin' | TokenCounter;
  /** Bytes of a request; default 64 MiB. */
  maxRequestBytes?: number;
  /** Bytes of its blobs; default 64 MiB. */
  maxBinaryBytes?: number;
  /** Whether a context may have pages; default true. */
  allowMultiPageContext?: boolean;
  /** Who is let in; default everybody in the mesh. */
  auth?: AuthRule;
  /** Calls handled at once; default 256. */
  maxConcurrency?: number;
  /** Calls that may wait for their turn; default 1,024; beyond it `busy`. */
  queue?: number;
  /** Requests a second of one caller; unset is unlimited. */
  ratePerS?: number;
  /** How many of them may come at once. */
  rateBurst?: number;
  /** Who may call at all; unset is everybody in the mesh. */
  allowedCallers?: {
    principals?: readonly string[];
    agentIds?: readonly string[];
    groups?: readonly string[];
  };
  /** Whether it may be called from below itself; default true. */
  reentrant?: boolean;
  /** Ids of agents whose answers to calls of others may be returned here. */
  acceptReturnsFrom?: readonly string[];
}

/**
 * How an agent is registered.
 *
 * @example
 * const options: AgentOptions = { name: 'square', tags: ['maths'], input: z.number() };
 * await node.agent(options, (n) => Number(n) ** 2);
 * assert.equal((await node.request('square', 3)).value, 9);
 */
export interface AgentOptions<In extends Schema = Schema, Out extends Schema = Schema>
  extends SkillOptions<In, Out> {
  /** 1 to 64 of `a-z 0-9 - _ .`; default the name of the function or class. */
  name?: string;
  /** Id of its only skill; default its name. */
  skill?: string;
  /** Version of the agent, such as `1.2.0`. */
  version?: string;
  /** Groups it belongs to. */
  groups?: readonly string[];
  /** The protocol it takes context by. */
  contextProtocol?: 'pcp' | 'mcp' | 'provider' | 'none';
  /** Kind of its input, such as `json` or `plainText`. */
  inputSchemaKind?: string;
  /** Tokens that its model can take; default 32,000. */
  contextWindowTokens?: number;
  /** Kinds of content it takes. */
  contentTypesIn?: readonly string[];
  /** Kinds of content it gives. */
  contentTypesOut?: readonly string[];
  /** Models by use case. */
  allowedModels?: Readonly<Record<string, readonly string[]>>;
  /** Whether it answers in pieces; default true for generator functions. */
  streaming?: boolean;
  /** Names of tools it offers. */
  tools?: readonly string[];
  /** What requests to it may be filled from. */
  requestTemplate?: Readonly<Record<string, unknown>>;
  /** What it needs of callers, by public kind. */
  needs?: Readonly<Record<string, unknown>>;
  /** What is published about how it works. */
  flags?: {
    usesConverse?: boolean;
    recordsInteractionContext?: boolean;
    recordsPromptContent?: boolean;
  };
  /** What it enforces; never published. */
  requirements?: Requirements;
  /** `isolated`: a new instance for every call. Default `shared`. */
  concurrency?: 'shared' | 'isolated';
  /** Which key it has: a fresh one, the default, or one kept under a name. */
  identity?: { ephemeral: true } | { stored: string };
  /** Whether it lives only moments; default false. */
  transient?: boolean;
  /** Whether another process may host the same stored identity; default false. */
  replica?: boolean;
}

/**
 * A tool that the caller offers and the callee may call while it works.
 *
 * @example
 * const clock: Tool = { name: 'clock', description: 'tells the time', run: () => '12:00' };
 * await node.agent({ name: 'asks' }, (_, ctx) => ctx.callTool('clock', {}));
 * assert.equal((await node.request('asks', null, { tools: [clock] })).value, '12:00');
 */
export interface Tool<In extends Schema = Schema, Out extends Schema = Schema> {
  /** Name that the callee calls it by. */
  name: string;
  /** What it does. */
  description?: string;
  /** Schema of its arguments. */
  input?: In;
  /** Schema of its result. */
  output?: Out;
  /** What may be repeated. */
  effect?: Effect;
  /** Runs the tool; the arguments were validated. `signal` fires when nobody waits any more. */
  run(input: OutputOf<In>, context: { signal: AbortSignal }): unknown;
}

/**
 * One entry of a context.
 *
 * @example
 * const entry: ContextEntry = { key: 'style', text: 'formal', weight: 1 };
 * await node.agent({ name: 'told' }, (_, ctx) => ctx.context?.entries?.[0]?.text);
 * const context = { entries: [entry] };
 * assert.equal((await node.request('told', null, { context })).value, 'formal');
 */
export interface ContextEntry {
  /** Name of the entry. */
  key: string;
  /** Its text; either this or `data`. */
  text?: string;
  /** Its JSON value; either this or `text`. */
  data?: unknown;
  /** How much it matters; default 0. */
  weight?: number;
  /** Keys of related entries. */
  links?: readonly string[];
}

/**
 * What the callee should know besides the request.
 *
 * @example
 * const context: ContextData = { entries: [{ key: 'a', data: 1 }], explanation: 'so far' };
 * await node.agent({ name: 'told' }, (_, ctx) => ctx.context?.explanation);
 * assert.equal((await node.request('told', null, { context })).value, 'so far');
 */
export interface ContextData {
  /** What to know. */
  entries?: readonly ContextEntry[];
  /** Named sub-contexts. */
  pages?: readonly { name: string; entries: readonly ContextEntry[] }[];
  /** What was said before. */
  history?: readonly { text?: string; data?: unknown; role?: string }[];
  /** Why this context is given. */
  explanation?: string;
  /** What keys mean. */
  descriptions?: Readonly<Record<string, string>>;
}

/**
 * A question of the callee, asked back while it works.
 *
 * @example
 * const onInput = (question: InputQuestion) => `yes to: ${question.text}`;
 * await node.agent({ name: 'unsure' }, (_, ctx) => ctx.input('go on?'));
 * assert.equal((await node.request('unsure', null, { onInput })).value, 'yes to: go on?');
 */
export interface InputQuestion {
  /** The question: its string or JSON value, if it has one part. */
  value: unknown;
  /** All text of the question. */
  text: string;
  /** JSON Schema that the answer should hold. */
  schema: Readonly<Record<string, unknown>> | undefined;
}

/**
 * How a request is made; everything is optional.
 *
 * @example
 * const options: RequestOptions = { timeoutMs: 5_000, signal: AbortSignal.timeout(5_000) };
 * assert.equal((await node.request('greet', 'Ada', options)).value, 'hello Ada');
 */
export interface RequestOptions<Out extends Schema = Schema> {
  /** Id of the skill that is meant. */
  skill?: string;
  /** Gives the request up when it fires: it fails with kind `cancelled`, the handler is stopped. */
  signal?: AbortSignal;
  /** Milliseconds to the first event and between events; default 60,000. */
  timeoutMs?: number;
  /** Milliseconds for the whole call; default unlimited. */
  totalMs?: number;
  /** What can be taken as an answer. */
  accept?: {
    mediaTypes?: readonly string[];
    streaming?: boolean;
    contextProtocols?: readonly string[];
    models?: readonly string[];
  };
  /** Credential for the agent. */
  auth?: { scheme: string; secret: string };
  /** Credential for the way to it. */
  transportAuth?: { scheme: string; secret: string };
  /** What the callee should know besides. */
  context?: ContextData;
  /** The conversation it belongs to; at most 64 bytes. */
  conversationId?: string;
  /** What the callee may call back while it works; at most 64. */
  // biome-ignore lint/suspicious/noExplicitAny: tools of any input stand side by side
  tools?: readonly Tool<any, any>[];
  /** Schema that the callee's node checks the content against, for this call. */
  inputSchema?: Schema;
  /** Schema that the answer is checked against, by the callee's node and here, for this call. */
  outputSchema?: Schema;
  /** Schema that gives the reply's value its type here; it is validated on arrival. */
  output?: Out;
  /** What may be repeated; default as the skill says. */
  effect?: Effect;
  /**
   * The callee answers the same key with the same outcome for 10 minutes. Streamed parts are
   * compared by their `sha256`: a repeat with one that names none is refused with `conflict`.
   */
  idempotencyKey?: string;
  /**
   * Agent that gets the answer instead of the caller, by id, address or name: one of this node, or
   * one whose `acceptReturnsFrom` holds the callee's id. The reply is then empty, and its
   * `content.metadata['hubless.returnedTo']` is the id of the agent that has it. Under a budget
   * the call pays for that.
   */
  returnTo?: string;
  /** What is tried again; default nothing, and only what the effect allows. */
  retry?: { attempts: number; on: readonly ErrorKind[] };
  /** Where the data may go. */
  dataPolicy?: {
    zonesAllowed?: readonly string[];
    noRecording?: boolean;
    maxRetentionS?: number;
  };
  /** Further facts for the handler. */
  metadata?: Readonly<Record<string, unknown>>;
  /** Extensions by URI; an unknown one with `critical: true` is refused. */
  extensions?: Readonly<Record<string, unknown>>;
  /** W3C trace context to continue; default the one of `parent`. */
  trace?: { traceparent: string; tracestate?: string; baggage?: string };
  /** The call on whose behalf this is; default the one being handled. */
  parent?: CallContext;
  /**
   * What pays for the call and stops it; default what it is under by {@link KillSwitch.run}. A call
   * made in the handler of one with a budget is paid from that.
   */
  killSwitch?: KillSwitch;
  /** The most that the call may be given of its budget; default a quarter of what is free. */
  max?: Amounts;
  /** The agent of this node that asks; default the one handling `parent`. */
  from?: Agent;
  /** Name of a stored template; what is given here wins. */
  template?: string;
  /** Answers questions of the callee. */
  onInput?: (question: InputQuestion) => unknown;
  /** Milliseconds that a name may take to appear; default 1,000. */
  waitMs?: number;
}

/**
 * A condition on published facts.
 *
 * @example
 * const filter: Filter = { not: { field: 'tags', op: 'contains', value: 'fx' } };
 * const found = await node.find({ filter });
 * assert.ok(found.length > 0 && found.every(({ name }) => name !== 'rate'));
 */
export type Filter =
  | { and: readonly Filter[] }
  | { or: readonly Filter[] }
  | { not: Filter }
  | {
      field: string;
      op: '=' | '!=' | '<' | '<=' | 'in' | 'contains' | 'overlaps' | 'covers' | 'exists';
      value?: Attribute;
    };

/**
 * What is looked for.
 *
 * @example
 * const query: Query = { text: 'exchange rates', tags: ['fx'], limit: 1 };
 * assert.equal((await node.find(query))[0]?.name, 'rate');
 */
export interface Query {
  /** Words that describe what is wanted. */
  text?: string;
  /** Id of a skill. */
  skill?: string;
  /** All of these tags. */
  tags?: readonly string[];
  /** Member of this group. */
  group?: string;
  /** In this zone. */
  zone?: string;
  /** Takes these kinds of content. */
  contentTypesIn?: readonly string[];
  /** Gives these kinds of content. */
  contentTypesOut?: readonly string[];
  /** Takes input of this schema. */
  accepts?: Schema;
  /** Takes context by this protocol. */
  contextProtocol?: string;
  /** Allows these models. */
  models?: readonly string[];
  /** Takes this scheme of credential. */
  auth?: string;
  /** In this mesh. */
  mesh?: string;
  /** In this range, such as `^1.2`. */
  version?: string;
  /** At most this far away, in microseconds. */
  maxLatencyUs?: number;
  /** A call costs at most this, in the units of the agents' own hints; who says none is out. */
  cost?: number;
  /** Heard of within so many milliseconds. */
  freshMs?: number;
  /** Offers these tools. */
  tools?: readonly string[];
  /** Ids of agents to leave out. */
  exclude?: readonly string[];
  /** A condition on published facts. */
  filter?: Filter;
  /** Results at most; default 20. */
  limit?: number;
}

/**
 * How it is looked for.
 *
 * @example
 * const options: FindOptions = { tags: ['fx'], waitMs: 0, explain: true };
 * assert.ok((await node.find('exchange rates', options))[0]?.explain?.length);
 */
export interface FindOptions extends Omit<Query, 'text'> {
  /** Milliseconds to wait for a first match; default 1,000. */
  waitMs?: number;
  /** Says for each result what spoke for it. */
  explain?: boolean;
  /** Ends the wait. */
  signal?: AbortSignal;
}

/**
 * Takes log records; pino, winston and `console` fit.
 *
 * @example
 * const lines: string[] = [];
 * const take = (_: object, message: string) => lines.push(message);
 * const logger: Logger = { error: take, warn: take, info: take, debug: take };
 * await (await Node.start({ logger, logLevel: 'debug' })).close();
 * assert.ok(lines.length > 0);
 */
export interface Logger {
  /** Takes bugs of ours. */
  error(fields: object, message: string): void;
  /** Takes what a person should look at. */
  warn(fields: object, message: string): void;
  /** Takes changes that a user notices. */
  info(fields: object, message: string): void;
  /** Takes decisions, and with level `trace` every message. */
  debug(fields: object, message: string): void;
}

/**
 * How a node is started; nothing is needed.
 *
 * @example
 * const options: NodeOptions = { memoryOnly: true, listen: 'loopback' };
 * await (await Node.start(options)).close();
 */
export interface NodeOptions {
  /** A name keeps the key of the node from start to start. */
  name?: string;
  /** Id of its mesh; default `HUBLESS_MESH`, else the one joined last, else the user's own. */
  mesh?: string;
  /** Folder of keys and records; default the platform's. */
  home?: string;
  /** Where it listens; default `loopback`: nobody outside this machine is contacted. */
  listen?: 'loopback' | 'all' | readonly string[];
  /** UDP port; default any. */
  port?: number;
  /**
   * Where its agents say they are, such as `eu` or `on-prem`, for callers whose data policy asks:
   * any in the user's own mesh, in one that was joined those of its ticket; default those of
   * `HUBLESS_ZONES`, else all of the ticket.
   */
  zones?: readonly string[];
  /** Whether nothing is written to disk; default false. */
  memoryOnly?: boolean;
  /** Calls of all its agents that run at once. */
  maxConcurrency?: number;
  /** What becomes of requests that seem to have lost their budget; default `refuse`. */
  orphans?: Orphans;
  /**
   * File that spans are appended to, as JSON Lines of OTLP, or URL of a collector that they are
   * posted to, such as `http://127.0.0.1:4318/v1/traces`; default that of `HUBLESS_TRACE`.
   */
  trace?: string;
  /**
   * Base URL of the metering gateway of `ctx.provider`, such as `http://127.0.0.1:8430/v1`; default
   * that of `HUBLESS_GATEWAY`.
   */
  gateway?: string;
  /** Spending key that the node has of its gateway; default that of `HUBLESS_GATEWAY_KEY`. */
  gatewayKey?: string;
  /**
   * Key under which receipts of the gateway are believed, as `hubless expose gateway` prints it;
   * default that of `HUBLESS_GATEWAY_SIGNER`.
   */
  gatewaySigner?: string;
  /**
   * What comes back of the grants of calls that other nodes answer: `signed`, what they say that
   * they did not use; `provider`, only what receipts of the gateway show unpaid; `never`,
   * nothing. One word for all of them, or one for each class: `member`, nodes that showed a token
   * of this node's mesh, and `external`, all others. Default that of `HUBLESS_REFUND`, else
   * `member=signed,external=never`.
   */
  refund?: string;
  /**
   * Meets nodes of its mesh on the local networks that it listens to (`loopback` counts as `all`
   * then), by multicast DNS (RFC 6762); default `HUBLESS_LAN`, else it does not.
   */
  lan?: boolean;
  /**
   * Relays by which it can be reached and reaches others where there is no direct way, such as
   * `https://relay.example`, at most 4; default those of `HUBLESS_RELAYS`, else those of the ticket
   * by which its mesh was joined.
   */
  relays?: readonly string[];
  /**
   * File of the certificates, in PEM, that relays are believed by, and by no others; default that
   * of `HUBLESS_RELAY_CA`, else those that the machine trusts.
   */
  relayCa?: string;
  /** Where log records go; default nowhere. */
  logger?: Logger;
  /** The finest records that are wanted; default `info`. */
  logLevel?: 'error' | 'warn' | 'info' | 'debug' | 'trace';
}
