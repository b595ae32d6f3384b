/**
 * A node: this process's presence among the agents of a mesh.
 * Owns one native session and what hangs on it. Tested by the whole suite.
 */

import { type Agent, AgentHost } from './agent.js';
import { encodeOrphans } from './budget.js';
import { type CallContext, current } from './context.js';
import { closedError, fromWire, type HublessError, type WireError } from './errors.js';
import {
  type AgentTarget,
  encodeSkills,
  type Handler,
  implementationOf,
  type Skills,
} from './implementation.js';
import { wholeMs } from './json.js';
import { listenForLogs } from './logging.js';
import { Offers } from './offers.js';
import type {
  AgentOptions,
  AuthRule,
  FindOptions,
  NodeOptions,
  Query,
  RequestOptions,
  Requirements,
} from './options.js';
import { type Description, type Found, Peer } from './peer.js';
import { decodeReply, type Reply, type Usage } from './reply.js';
import {
  type AgentRequest,
  type EncodedRequest,
  encodeQuery,
  encodeRequest,
  encodeShort,
  type RequestInput,
  type Target,
} from './request.js';
import type { InputOf, OutputOf, Schema } from './schema.js';
import { validate } from './schema.js';
import { type ServeOptions, untilToldToStop } from './serve.js';
import { EVENT, Session, throwIfAborted } from './session.js';
import { Credentials, Pins, Templates } from './stores.js';
import { CallStream, ItemStream } from './stream.js';
import type { WireReply, WireResponse } from './wire.js';

const sessions = new WeakMap<Node, Session>();

/** The session of a node, for the parts of this package that stand beside it. */
export function sessionOf(node: Node): Session {
  const session = sessions.get(node);
  if (!session) throw closedError('session');
  return session;
}

/**
 * How a node does.
 *
 * @example
 * const status: NodeStatus = await node.status();
 * assert.deepEqual([status.nodeKey, status.calls], [node.nodeKey, 0]);
 */
export interface NodeStatus {
  /** Key of the node. */
  readonly nodeKey: string;
  /** The mesh it belongs to. */
  readonly meshId: string;
  /** Where it can be reached. */
  readonly addresses: readonly string[];
  /** Relays by which it can be reached, the likeliest first. */
  readonly relays: readonly string[];
  /** Number of the agents it hosts. */
  readonly agents: number;
  /** The nodes it is connected to. */
  readonly peers: readonly {
    readonly nodeKey: string;
    readonly path: string;
    readonly rttUs: number;
    readonly agents: number;
    readonly connections: number;
  }[];
  /** Number of calls that run. */
  readonly calls: number;
  /** Version of the library. */
  readonly version: string;
}

/**
 * What changes among the agents that match a query.
 *
 * @example
 * for await (const event of node.watch({ tags: ['fx'] })) {
 *   const seen: WatchEvent = event;
 *   if (seen.type === 'snapshot') break;
 * }
 */
export type WatchEvent =
  | { readonly type: 'snapshot'; readonly peers: readonly Peer[] }
  | { readonly type: 'arrived' | 'changed'; readonly peer: Peer }
  | { readonly type: 'departed'; readonly agentId: string; readonly name: string }
  | { readonly type: 'lagged'; readonly missed: number };

/**
 * The outcome of `send`: an answer or a refusal, and what was spent.
 *
 * @example
 * const { output, rejection }: Response = await node.send({ agent: 'greet', prompt: 'Ada' });
 * assert.deepEqual([output?.text, rejection], ['hello Ada', undefined]);
 */
export interface Response {
  /** The answer, if there was one. */
  readonly output: Reply | undefined;
  /** The refusal, if there was one. */
  readonly rejection: HublessError | undefined;
  /** What was spent. */
  readonly usage: Usage;
}

/**
 * This process among the agents of a mesh.
 *
 * @example
 * const other = await Node.start();
 * assert.equal((await other.request('greet', 'Ada')).text, 'hello Ada');
 * await other.close();
 */
export class Node {
  /** Key of this node, as text. */
  readonly nodeKey: string;
  /** The mesh it belongs to. */
  readonly meshId: string;
  /** Folder of keys and records. */
  readonly home: string | null;
  /** Whether nothing is written to disk. */
  readonly memoryOnly: boolean;
  /** Stored templates of requests. */
  readonly templates: Templates;
  /** Secrets for others, by target. */
  readonly credentials: Credentials;
  /** Which key a name belongs to. */
  readonly pins: Pins;
  readonly #session: Session;
  readonly #agents: AgentHost;
  readonly #offers: Offers;
  #closing: Promise<void> | undefined;

  private constructor(session: Session, started: Started) {
    this.#session = session;
    sessions.set(this, session);
    this.nodeKey = started.nodeKey;
    this.meshId = started.meshId;
    this.home = started.home ?? null;
    this.memoryOnly = started.memoryOnly;
    this.#agents = new AgentHost(this, session);
    this.#offers = new Offers(session);
    this.templates = new Templates(session);
    this.credentials = new Credentials(session, this.#offers);
    this.pins = new Pins(session);
    session.on(EVENT.cancel, (id, reason: object) => {
      if (!this.#agents.cancel(id, reason)) this.#offers.cancel(id);
    });
  }

  /** Whether the node is closed or closing. */
  get closed(): boolean {
    return this.#closing !== undefined || this.#session.closed;
  }

  /**
   * Starts a node; without options it joins the mesh of this user on this machine.
   *
   * @example
   * const mine = await Node.start({ memoryOnly: true });
   * await mine.close();
   */
  static async start(options: NodeOptions = {}): Promise<Node> {
    const { logger, logLevel, orphans, ...rest } = options;
    const session = new Session();
    try {
      if (logger) listenForLogs(session, logger);
      const log = logger && (logLevel ?? 'info');
      // What else a number of JSON can be, `JSON.parse` would change.
      const numbers = 'double';
      const body = { ...rest, log, orphans: encodeOrphans(orphans), numbers };
      return new Node(session, await session.run<Started>('node.start', body));
    } catch (error) {
      session.close();
      throw error;
    }
  }

  /** Accepts an invitation; a node of that mesh can be started afterwards. */
  static async join(ticket: string, options: { home?: string } = {}): Promise<{ meshId: string }> {
    const session = new Session();
    try {
      return await session.run<{ meshId: string }>('join', { ticket, ...options });
    } finally {
      session.close();
    }
  }

  /**
   * Registers a function as an agent.
   *
   * @example
   * const input = z.object({ name: z.string() });
   * await node.agent({ name: 'welcome', input }, ({ name }) => `welcome ${name}`);
   * assert.equal((await node.request('welcome', { name: 'Ada' })).value, 'welcome Ada');
   */
  agent<In extends Schema = Schema, Out extends Schema = Schema>(
    options: AgentOptions<In, Out>,
    handler: Handler<OutputOf<In>, ResultOf<Out>>,
  ): Promise<Agent> {
    return this.register(handler as Handler<never>, options as AgentOptions);
  }

  /** Registers a function, generator function, object, class or factory as an agent. */
  async register(
    target: AgentTarget,
    options: AgentOptions & { skills?: Skills } = {},
  ): Promise<Agent> {
    const implementation = implementationOf(target, options);
    const { requirements, ...rest } = withoutSkill(options);
    const instance = implementation.isolated ? undefined : await implementation.create();
    const body = {
      ...rest,
      name: implementation.name,
      skills: encodeSkills(implementation.skills),
      streaming: implementation.streaming || undefined,
      concurrency: implementation.isolated ? 'isolated' : undefined,
      requirements: requirements && encodeRequirements(requirements),
      parent: current()?.ownerFor(this.#session),
    };
    const counter = requirements?.tokenCounter;
    return this.#agents.register(body, {
      implementation,
      instance,
      auth: requirements?.auth,
      counter: typeof counter === 'function' ? counter : undefined,
    });
  }

  /**
   * Asks an agent and waits for the whole answer; a refusal is thrown as `Rejected`.
   *
   * @throws HublessError - kinds `not_found` and `ambiguous` where `to` names nobody or several,
   *   `transport` and `unknown_outcome` where the way fails, `deadline`, `cancelled`, `closed`
   */
  async request<Out extends Schema>(
    to: Target,
    input?: unknown,
    options: RequestOptions<Out> = {},
  ): Promise<Reply<OutputOf<Out>>> {
    const { signal, output } = options;
    const encoded = encodeRequest(to, input, options);
    const { ticket, done } = await this.#submit('request', encoded, options);
    try {
      const { body, attachments } = await this.#session.cancelBy(signal, ticket, done);
      const reply = decodeReply(this.#session, body as WireReply, attachments);
      if (!output) return reply as Reply<OutputOf<Out>>;
      const value = await validate(output, reply.value, 'request');
      return { ...reply, value } as Reply<OutputOf<Out>>;
    } finally {
      this.#offers.close(ticket);
    }
  }

  /** Asks an agent; a refusal is part of what is returned and never thrown. */
  async send(request: AgentRequest | (RequestInput & { to: Target })): Promise<Response> {
    const { signal, ...options }: RequestOptions = request;
    const encoded =
      'agent' in request
        ? encodeShort(request)
        : encodeRequest(request.to, request.content, options);
    const { ticket, done } = await this.#submit('send', encoded, request);
    try {
      const { body, attachments } = await this.#session.cancelBy(signal, ticket, done);
      const { output, rejection, usage } = body as WireResponse;
      return {
        output: output && decodeReply(this.#session, output, attachments),
        rejection: rejection && fromWire({ ...rejection, rejection: true }),
        usage: usage as unknown as Usage,
      };
    } finally {
      this.#offers.close(ticket);
    }
  }

  /** Asks an agent and reads the answer in pieces. */
  stream(to: Target, input?: unknown, options: RequestOptions = {}): CallStream {
    let opened: number | undefined;
    const open = async () => {
      const encoded = encodeRequest(to, input, options);
      const { ticket, done } = await this.#submit('stream', encoded, options);
      opened = ticket;
      return ((await done) as { body: { stream: number } }).body.stream;
    };
    const onEnd = () => opened !== undefined && this.#offers.close(opened);
    const { signal } = options;
    return new CallStream({ session: this.#session, operation: 'stream', open, signal, onEnd });
  }

  /** Finds agents, best first; waits for a first match. */
  async find(query: string | Query, options: FindOptions = {}): Promise<Peer[]> {
    const { body, signal } = encodeFind(query, options);
    const { agents } = await this.#session.run<{ agents: Found[] }>('find', body, [], signal);
    return agents.map((found) => new Peer(this, found));
  }

  /** Finds the best agent; fails with `not_found` when there is none. */
  async peer(query: string | Query, options: FindOptions = {}): Promise<Peer> {
    const { body, signal } = encodeFind(query, options);
    return new Peer(this, await this.#session.run<Found>('peer', body, [], signal));
  }

  /** Yields agents as they appear, those already there first; ends when the loop is left. */
  discover(query: string | Query, options: Omit<FindOptions, 'waitMs'> = {}): ItemStream<Peer> {
    const { body, signal } = encodeFind(query, options);
    return this.#items('discover', body, signal, (found: Found) => new Peer(this, found));
  }

  /** Yields what changes among the agents that match, a snapshot first. */
  watch(query: string | Query, options: { signal?: AbortSignal } = {}): ItemStream<WatchEvent> {
    const decode = (item: WireWatch) => this.#watchEvent(item);
    return this.#items('watch', { query: encodeQuery(query) }, options.signal, decode);
  }

  /** Fetches all that an agent publishes, with the schemas of its skills. */
  describe(agent: string): Promise<Description> {
    return this.#session.run<Description>('describe', { agent });
  }

  /** Lists known agents: hosted here, known from elsewhere, those open to others, or all. */
  async listAgents(scope: 'global' | 'local' | 'client' | 'all' = 'all'): Promise<Peer[]> {
    const { agents } = await this.#session.run<{ agents: Found[] }>('listAgents', { scope });
    return agents.map((found) => new Peer(this, found));
  }

  /** Takes in a catalogue of descriptors; says how many were loaded and why others were not. */
  async loadAgents(
    descriptors: readonly object[],
  ): Promise<{ loaded: number; refused: HublessError[] }> {
    const done = await this.#session.run<{ loaded: number; refused: WireError[] }>('loadAgents', {
      descriptors,
    });
    return { loaded: done.loaded, refused: done.refused.map((wire) => fromWire(wire)) };
  }

  /** Sets the auth rule of agents that have none of their own. */
  async setAuth(rule: AuthRule): Promise<void> {
    await this.#session.run('auth.global', { auth: encodeAuth(rule) });
    this.#agents.auth = rule;
  }

  /**
   * Makes a ticket that lets others join this mesh. With `bearer` no running node is needed to
   * join: it is good for at most 10 minutes, and as often as it is used until then.
   */
  async invite(
    options: {
      role?: string;
      groups?: readonly string[];
      zones?: readonly string[];
      ttlS?: number;
      uses?: number;
      local?: boolean;
      bearer?: boolean;
    } = {},
  ): Promise<string> {
    return (await this.#session.run<{ ticket: string }>('invite', options)).ticket;
  }

  /** Says how the node does. */
  status(): Promise<NodeStatus> {
    return this.#session.run<NodeStatus>('node.status');
  }

  /**
   * Keeps the process alive until it is told to stop (SIGINT, SIGTERM, `signal`, the end of
   * standard input if asked for) or the node is closed, then closes the node.
   */
  async serve(options: ServeOptions = {}): Promise<void> {
    if (this.#session.closed) throw closedError('serve');
    await untilToldToStop(options, this.#session);
    await this.close(options);
  }

  /** Refuses new calls, lets running ones end, says good-bye. Idempotent. */
  close(options: { graceMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(options.graceMs);
    return this.#closing;
  }

  /**
   * Closes the node; for `await using`.
   *
   * @example
   * await using mine = await Node.start({ memoryOnly: true });
   * assert.equal(mine.closed, false);
   */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(graceMs: number | undefined): Promise<void> {
    try {
      await this.#session.run('node.close', { graceMs: wholeMs(graceMs) });
    } finally {
      this.#agents.close();
      this.#session.close();
    }
  }

  async #submit(operation: string, { body, encoder }: EncodedRequest, options: RequestOptions) {
    throwIfAborted(operation, options.signal);
    const opening = encoder.open(this.#session);
    if (opening) await opening;
    const started = this.#session.start<unknown>(operation, body, encoder.attachments);
    this.#offers.open(started.ticket, options);
    encoder.pump(this.#session);
    return started;
  }

  #items<Wire, Item>(
    operation: string,
    body: object,
    signal: AbortSignal | undefined,
    decode: (item: Wire) => Item,
  ): ItemStream<Item> {
    const open = async () => (await this.#session.run<{ stream: number }>(operation, body)).stream;
    return new ItemStream<Item>({ session: this.#session, operation, open, signal, decode });
  }

  #watchEvent(item: WireWatch): WatchEvent {
    if (item.snapshot) {
      return { type: 'snapshot', peers: item.snapshot.map((found) => new Peer(this, found)) };
    }
    if (item.arrived) return { type: 'arrived', peer: new Peer(this, item.arrived) };
    if (item.changed) return { type: 'changed', peer: new Peer(this, item.changed) };
    if (item.departed) return { type: 'departed', ...item.departed };
    return { type: 'lagged', missed: item.lagged ?? 0 };
  }
}

/** What a handler of an agent with this output schema gives; `undefined` is an empty answer. */
export type ResultOf<Out> = [InputOf<Out>] extends [never] ? unknown : InputOf<Out>;

interface Started {
  nodeKey: string;
  meshId: string;
  home?: string | null;
  memoryOnly: boolean;
}

interface WireWatch {
  snapshot?: Found[];
  arrived?: Found;
  changed?: Found;
  departed?: { agentId: string; name: string };
  lagged?: number;
}

function encodeFind(query: string | Query, options: FindOptions) {
  const { waitMs, explain, signal, ...more } = options;
  const body = { query: encodeQuery(query, more), waitMs: wholeMs(waitMs), explain };
  return { body, signal };
}

/** The options of the agent itself; those of its only skill are in the skill. */
function withoutSkill(options: AgentOptions & { skills?: Skills }) {
  const { skill, skills, input, output, attributes, effect, ...rest } = options;
  const { spends, share, examples, modesIn, modesOut, ...agent } = rest;
  return agent;
}

function encodeRequirements(requirements: Requirements): object {
  const { auth, tokenCounter } = requirements;
  return {
    ...requirements,
    auth: auth && encodeAuth(auth),
    tokenCounter: typeof tokenCounter === 'function' ? 'host' : tokenCounter,
  };
}

function encodeAuth(rule: AuthRule): object {
  if (rule === 'none') return { none: true };
  return typeof rule === 'function' ? { host: true } : rule;
}

export type { CallContext };
