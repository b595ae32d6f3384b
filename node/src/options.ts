/**
 * What callers and hosts of agents can ask for, as types; the core checks the values.
 * No logic. Tested by the type tests in `test/types`.
 */

import type { Agent } from './agent.js';
import type { CallContext, Caller } from './context.js';
import type { ErrorKind } from './errors.js';
import type { OutputOf, Schema } from './schema.js';

/** A typed fact about a skill. */
export type Attribute =
  | string
  | number
  | boolean
  | { date: string }
  | { interval: { from: string | number; to: string | number } }
  | readonly Attribute[];

/** What may be repeated: always, with the same key, or never. Default `AT_MOST_ONCE`. */
export type Effect = 'PURE' | 'IDEMPOTENT' | 'AT_MOST_ONCE';

/** What an agent can do, besides its schemas. */
export interface SkillOptions<In extends Schema = Schema, Out extends Schema = Schema> {
  title?: string;
  description?: string;
  tags?: readonly string[];
  attributes?: Readonly<Record<string, Attribute>>;
  effect?: Effect;
  spends?: 'none' | 'tokens';
  share?: 'no' | 'mesh' | 'public';
  /** Schema of the input: any Standard Schema, or a JSON Schema. */
  input?: In;
  /** Schema of the result. */
  output?: Out;
  examples?: readonly { text?: string; input?: unknown; output?: unknown }[];
  modesIn?: readonly string[];
  modesOut?: readonly string[];
  costHint?: Readonly<Record<string, unknown>>;
}

/** What an auth function answers: admitted or not, perhaps for a while (at most 60 s). */
export type Verdict = boolean | { allow: boolean; cacheMs?: number };

/** What an auth function is asked. */
export interface AuthQuestion {
  scheme: string;
  credential: string;
  caller: Caller;
}

/** Who is let in: everybody, holders of a secret, or whom a function of yours admits. */
export type AuthRule =
  | 'none'
  | { sharedSecret: string }
  | ((question: AuthQuestion) => Verdict | Promise<Verdict>);

/** Counts the tokens of all texts together. */
export type TokenCounter = (texts: readonly string[]) => number | Promise<number>;

/** What an agent enforces; private to its node and never sent to anybody. */
export interface Requirements {
  requireConverse?: boolean;
  allowAgentDuplication?: boolean;
  /** Default true. */
  allowCustomContext?: boolean;
  /** Default true. */
  allowCustomJson?: boolean;
  /** Default false: only members of the same mesh. */
  allowExternalConnections?: boolean;
  acceptedContent?: readonly ('text' | 'image' | 'video' | 'audio' | 'application' | 'other')[];
  /** Of all text that reaches the model; unset is unlimited, 0 refuses everything. */
  maxTokens?: number;
  /** Default the built-in counter (o200k). */
  tokenCounter?: 'builtin' | TokenCounter;
  maxRequestBytes?: number;
  maxBinaryBytes?: number;
  /** Default true. */
  allowMultiPageContext?: boolean;
  auth?: AuthRule;
  /** Default 256. */
  maxConcurrency?: number;
  /** Default 1,024. */
  queue?: number;
  ratePerS?: number;
  rateBurst?: number;
  allowedCallers?: {
    principals?: readonly string[];
    agentIds?: readonly string[];
    groups?: readonly string[];
  };
  reentrant?: boolean;
  acceptReturnsFrom?: readonly string[];
}

/** How an agent is registered. */
export interface AgentOptions<In extends Schema = Schema, Out extends Schema = Schema>
  extends SkillOptions<In, Out> {
  /** 1 to 64 of `a-z 0-9 - _ .`; default the name of the function or class. */
  name?: string;
  /** Id of its only skill; default its name. */
  skill?: string;
  version?: string;
  groups?: readonly string[];
  contextProtocol?: 'pcp' | 'mcp' | 'provider' | 'none';
  inputSchemaKind?: string;
  contextWindowTokens?: number;
  contentTypesIn?: readonly string[];
  contentTypesOut?: readonly string[];
  allowedModels?: Readonly<Record<string, readonly string[]>>;
  /** Default true for generator functions. */
  streaming?: boolean;
  tools?: readonly string[];
  requestTemplate?: Readonly<Record<string, unknown>>;
  needs?: Readonly<Record<string, unknown>>;
  flags?: {
    usesConverse?: boolean;
    recordsInteractionContext?: boolean;
    recordsPromptContent?: boolean;
  };
  requirements?: Requirements;
  /** `isolated`: a new instance for every call. Default `shared`. */
  concurrency?: 'shared' | 'isolated';
  /** Default an own fresh key. */
  identity?: { ephemeral: true } | { stored: string };
  transient?: boolean;
  replica?: boolean;
}

/** A tool that the caller offers and the callee may call while it works. */
export interface Tool<In extends Schema = Schema, Out extends Schema = Schema> {
  name: string;
  description?: string;
  input?: In;
  output?: Out;
  effect?: Effect;
  /** Runs the tool; the arguments were validated. `signal` fires when nobody waits any more. */
  run(input: OutputOf<In>, context: { signal: AbortSignal }): unknown;
}

/** One entry of a context. */
export interface ContextEntry {
  key: string;
  text?: string;
  data?: unknown;
  weight?: number;
  links?: readonly string[];
}

/** What the callee should know besides the request. */
export interface ContextData {
  entries?: readonly ContextEntry[];
  pages?: readonly { name: string; entries: readonly ContextEntry[] }[];
  history?: readonly { text?: string; data?: unknown; role?: string }[];
  explanation?: string;
  descriptions?: Readonly<Record<string, string>>;
}

/** A question of the callee, asked back while it works. */
export interface InputQuestion {
  /** The question: its string or JSON value, if it has one part. */
  value: unknown;
  text: string;
  schema: Readonly<Record<string, unknown>> | undefined;
}

/** How a request is made; everything is optional. */
export interface RequestOptions<Out extends Schema = Schema> {
  skill?: string;
  /** Gives the request up when it fires: it fails with kind `cancelled`, the handler is stopped. */
  signal?: AbortSignal;
  /** To the first event and between events; default 60,000. */
  timeoutMs?: number;
  /** For the whole call; default unlimited. */
  totalMs?: number;
  accept?: {
    mediaTypes?: readonly string[];
    streaming?: boolean;
    contextProtocols?: readonly string[];
    models?: readonly string[];
  };
  /** For the agent. */
  auth?: { scheme: string; secret: string };
  /** For the way to it. */
  transportAuth?: { scheme: string; secret: string };
  context?: ContextData;
  /** At most 64 bytes. */
  conversationId?: string;
  // biome-ignore lint/suspicious/noExplicitAny: tools of any input stand side by side
  tools?: readonly Tool<any, any>[];
  /** Schema that the callee's node checks the content against, for this call. */
  inputSchema?: Schema;
  /** Schema that the callee's node checks its answer against, for this call. */
  outputSchema?: Schema;
  /** Schema that gives the reply's value its type here; it is validated on arrival. */
  output?: Out;
  effect?: Effect;
  idempotencyKey?: string;
  /** Default none; only what the effect allows is repeated. */
  retry?: { attempts: number; on: readonly ErrorKind[] };
  dataPolicy?: {
    zonesAllowed?: readonly string[];
    noRecording?: boolean;
    maxRetentionS?: number;
  };
  metadata?: Readonly<Record<string, unknown>>;
  extensions?: Readonly<Record<string, unknown>>;
  trace?: { traceparent: string; tracestate?: string; baggage?: string };
  /** The call on whose behalf this is; default the one being handled. */
  parent?: CallContext;
  /** The agent of this node that asks; default the one handling `parent`. */
  from?: Agent;
  /** Name of a stored template; what is given here wins. */
  template?: string;
  /** Answers questions of the callee. */
  onInput?: (question: InputQuestion) => unknown;
  /** How long a name may take to appear; default 1,000. */
  waitMs?: number;
}

/** A condition on published facts. */
export type Filter =
  | { and: readonly Filter[] }
  | { or: readonly Filter[] }
  | { not: Filter }
  | {
      field: string;
      op: '=' | '!=' | '<' | '<=' | 'in' | 'contains' | 'overlaps' | 'covers' | 'exists';
      value?: Attribute;
    };

/** What is looked for. */
export interface Query {
  text?: string;
  skill?: string;
  tags?: readonly string[];
  group?: string;
  zone?: string;
  contentTypesIn?: readonly string[];
  contentTypesOut?: readonly string[];
  accepts?: Schema;
  contextProtocol?: string;
  models?: readonly string[];
  auth?: string;
  mesh?: string;
  version?: string;
  maxLatencyUs?: number;
  freshMs?: number;
  tools?: readonly string[];
  exclude?: readonly string[];
  filter?: Filter;
  /** Default 20. */
  limit?: number;
}

/** How it is looked for. */
export interface FindOptions extends Omit<Query, 'text'> {
  /** How long to wait for a first match; default 1,000. */
  waitMs?: number;
  /** Says for each result what spoke for it. */
  explain?: boolean;
  signal?: AbortSignal;
}

/** Takes log records; pino, winston and `console` fit. */
export interface Logger {
  error(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  info(fields: object, message: string): void;
  debug(fields: object, message: string): void;
}

/** How a node is started; nothing is needed. */
export interface NodeOptions {
  name?: string;
  mesh?: string;
  /** Folder of keys and records; default the platform's. */
  home?: string;
  /** Default `loopback`: nobody outside this machine is contacted. */
  listen?: 'loopback' | 'all' | readonly string[];
  /** UDP port; default any. */
  port?: number;
  memoryOnly?: boolean;
  maxConcurrency?: number;
  /** Where log records go; default nowhere. */
  logger?: Logger;
  /** Default `info`. */
  logLevel?: 'error' | 'warn' | 'info' | 'debug' | 'trace';
}
