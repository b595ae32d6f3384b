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

/** What an auth function answers: admitted or not, perhaps for a while (at most 60 s). */
export type Verdict = boolean | { allow: boolean; cacheMs?: number };

/** What an auth function is asked. */
export interface AuthQuestion {
  /** Scheme of the credential, empty where none is shown. */
  scheme: string;
  /** The credential as shown. */
  credential: string;
  /** Who shows it. */
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
  /** Whether content must be a dialogue; default false. */
  requireConverse?: boolean;
  /** Whether callers may ask for duplicates; default false. */
  allowAgentDuplication?: boolean;
  /** Default true. */
  allowCustomContext?: boolean;
  /** Default true. */
  allowCustomJson?: boolean;
  /** Default false: only members of the same mesh. */
  allowExternalConnections?: boolean;
  /** What kinds of content are taken; unset is all. */
  acceptedContent?: readonly ('text' | 'image' | 'video' | 'audio' | 'application' | 'other')[];
  /** Of all text that reaches the model; unset is unlimited, 0 refuses everything. */
  maxTokens?: number;
  /** Default the built-in counter (o200k). */
  tokenCounter?: 'builtin' | TokenCounter;
  /** Bytes of a request; default 64 MiB. */
  maxRequestBytes?: number;
  /** Bytes of its blobs; default 64 MiB. */
  maxBinaryBytes?: number;
  /** Default true. */
  allowMultiPageContext?: boolean;
  /** Who is let in; default everybody in the mesh. */
  auth?: AuthRule;
  /** Default 256. */
  maxConcurrency?: number;
  /** Default 1,024. */
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
  /** Agents that may send answers here. */
  acceptReturnsFrom?: readonly string[];
}

/** How an agent is registered. */
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
  /** Default 32,000. */
  contextWindowTokens?: number;
  /** Kinds of content it takes. */
  contentTypesIn?: readonly string[];
  /** Kinds of content it gives. */
  contentTypesOut?: readonly string[];
  /** Models by use case. */
  allowedModels?: Readonly<Record<string, readonly string[]>>;
  /** Default true for generator functions. */
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
  /** Default an own fresh key. */
  identity?: { ephemeral: true } | { stored: string };
  /** Whether it lives only moments; default false. */
  transient?: boolean;
  /** Whether another process may host the same stored identity; default false. */
  replica?: boolean;
}

/** A tool that the caller offers and the callee may call while it works. */
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

/** One entry of a context. */
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

/** What the callee should know besides the request. */
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

/** A question of the callee, asked back while it works. */
export interface InputQuestion {
  /** The question: its string or JSON value, if it has one part. */
  value: unknown;
  /** All text of the question. */
  text: string;
  /** JSON Schema that the answer should hold. */
  schema: Readonly<Record<string, unknown>> | undefined;
}

/** How a request is made; everything is optional. */
export interface RequestOptions<Out extends Schema = Schema> {
  /** Id of the skill that is meant. */
  skill?: string;
  /** Gives the request up when it fires: it fails with kind `cancelled`, the handler is stopped. */
  signal?: AbortSignal;
  /** To the first event and between events; default 60,000. */
  timeoutMs?: number;
  /** For the whole call; default unlimited. */
  totalMs?: number;
  /** What can be taken as an answer. */
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
  /** What the callee should know besides. */
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
  /** What may be repeated; default as the skill says. */
  effect?: Effect;
  /** The callee answers the same key with the same outcome for 10 minutes. */
  idempotencyKey?: string;
  /** Default none; only what the effect allows is repeated. */
  retry?: { attempts: number; on: readonly ErrorKind[] };
  /** Where the data may go. */
  dataPolicy?: {
    zonesAllowed?: readonly string[];
    noRecording?: boolean;
    maxRetentionS?: number;
  };
  /** Further facts for the handler. */
  metadata?: Readonly<Record<string, unknown>>;
  /** By URI; an unknown one with `critical: true` is refused. */
  extensions?: Readonly<Record<string, unknown>>;
  /** W3C trace context to continue; default the one of `parent`. */
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
  /** At most this far away. */
  maxLatencyUs?: number;
  /** Heard of within this time. */
  freshMs?: number;
  /** Offers these tools. */
  tools?: readonly string[];
  /** Ids of agents to leave out. */
  exclude?: readonly string[];
  /** A condition on published facts. */
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
  /** Ends the wait. */
  signal?: AbortSignal;
}

/** Takes log records; pino, winston and `console` fit. */
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

/** How a node is started; nothing is needed. */
export interface NodeOptions {
  /** A name keeps the key of the node from start to start. */
  name?: string;
  /** The mesh to start in; default the own one of this user. */
  mesh?: string;
  /** Folder of keys and records; default the platform's. */
  home?: string;
  /** Default `loopback`: nobody outside this machine is contacted. */
  listen?: 'loopback' | 'all' | readonly string[];
  /** UDP port; default any. */
  port?: number;
  /** Whether nothing is written to disk; default false. */
  memoryOnly?: boolean;
  /** Calls that run at once. */
  maxConcurrency?: number;
  /** Where log records go; default nowhere. */
  logger?: Logger;
  /** Default `info`. */
  logLevel?: 'error' | 'warn' | 'info' | 'debug' | 'trace';
}
