/**
 * Agents hosted here: running their handlers and answering the core's questions about them.
 * Owns the table of hosted agents and of running calls. Tested by `test/handlers.test.mjs` and
 * `test/requirements.test.mjs`.
 */

import { runIn } from './ambient.js';
import { BlobPart, Content, decodeContent, Encoder, plain } from './content.js';
import { CallContext, type Caller } from './context.js';
import { fromWire, HublessError, messageOf, toFailure, type WireError } from './errors.js';
import { type Implementation, methodOf, type SkillMethod } from './implementation.js';
import { wholeMs } from './json.js';
import type { Node } from './node.js';
import type { AuthRule, TokenCounter } from './options.js';
import { encodeRequest, type RequestInput } from './request.js';
import { validate } from './schema.js';
import { EVENT, type Session } from './session.js';
import type { WireCall } from './wire.js';

/**
 * A registered agent.
 *
 * @example
 * const agent = await node.agent({ name: 'twice' }, (n) => Number(n) * 2);
 * assert.match(agent.agentId, /^did:key:/);
 * await agent.unregister();
 */
export class Agent {
  /** Its name, folded to lower case. */
  readonly name: string;
  /** Its public key as `did:key:…`. */
  readonly agentId: string;
  /** Short form `N:NNNN.HHHH.LLLL` of the id. */
  readonly address: string;
  /**
   * The id with the node, `did:key:…@<node key>`: who is handed it calls the agent at once, while
   * other nodes know a transient agent by the rest after a second only.
   */
  readonly reach: string;
  /** Its handle in the native session. */
  readonly handle: number;
  readonly #host: AgentHost;

  /** Made by the node. */
  constructor(host: AgentHost, registered: Registered) {
    this.#host = host;
    this.handle = registered.agent;
    this.agentId = registered.agentId;
    this.address = registered.address;
    this.name = registered.name;
    this.reach = registered.reach;
  }

  /** Refuses new calls and lets running ones end. */
  async unregister(options: { graceMs?: number } = {}): Promise<void> {
    await this.#host.unregister(this.handle, options.graceMs);
  }

  /**
   * States how well it is, for the order in which others find it: one that is down comes last, and
   * is still called by who asks for it; up takes the word back. Fails with kind `unsupported` for a
   * transient agent that others know already.
   */
  async health(state: Health): Promise<void> {
    await this.#host.health(this.handle, state);
  }

  /**
   * Runs the checks that a request would meet, without calling the handler. Nothing is counted, so
   * neither its rate nor its queue is asked.
   */
  async check(request: RequestInput): Promise<HublessError | undefined> {
    return this.#host.check(this, request);
  }

  /** Unregisters; for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.unregister();
  }
}

/**
 * How well an agent says it is.
 *
 * @example
 * const health: Health = 'down';
 * const frail = await node.agent({ name: 'frail' }, () => 'ok');
 * await frail.health(health);
 * const [found] = await node.find('frail', { explain: true });
 * assert.equal(found?.explain?.find((part) => part.signal === 'health')?.value, 0);
 */
export type Health = 'up' | 'suspect' | 'down';

/** The result of `register`. */
export interface Registered {
  /** Handle of the agent. */
  agent: number;
  /** Its public key as text. */
  agentId: string;
  /** Short form of the id. */
  address: string;
  /** Its name, folded to lower case. */
  name: string;
  /** Its id with its node. */
  reach: string;
}

/** What is kept of an agent. */
export interface Hosted {
  /** How calls are handled. */
  implementation: Implementation;
  /** What handles them, unless every call gets its own. */
  instance: object | undefined;
  /** Who is let in, where a function decides. */
  auth: AuthRule | undefined;
  /** Counts tokens, where a function does. */
  counter: TokenCounter | undefined;
}

/** A call being handled. */
interface Running {
  context: CallContext;
  /** Lets the process end. */
  release: () => void;
}

/** Runs what the core asks of the agents of one session. */
export class AgentHost {
  readonly #node: Node;
  readonly #session: Session;
  readonly #hosted = new Map<number, Hosted>();
  readonly #running = new Map<number, Running>();
  /** The node's own auth function, for agents without one. */
  auth: AuthRule | undefined;

  /** Listens to the session's events. */
  constructor(node: Node, session: Session) {
    this.#node = node;
    this.#session = session;
    session.on(EVENT.call, (id, body: WireCall, sent) => void this.#call(id, body, sent));
    session.on(EVENT.auth, (id, body: AuthEvent) => void this.#verdict(id, body));
    session.on(EVENT.count, (id, body: CountEvent) => void this.#count(id, body));
  }

  /** Registers and begins to take calls. */
  async register(body: object, hosted: Hosted): Promise<Agent> {
    const { done } = this.#session.start<Registered>('register', body, [], ({ agent }) =>
      this.#hosted.set(agent, hosted),
    );
    return new Agent(this, (await done).body);
  }

  /** Ends an agent; running calls end first. */
  async unregister(agent: number, graceMs: number | undefined): Promise<void> {
    await this.#session.run('unregister', { agent, graceMs: wholeMs(graceMs) });
    this.#hosted.delete(agent);
  }

  /** States the health of an agent. */
  async health(agent: number, health: Health): Promise<void> {
    await this.#session.run('health', { agent, health });
  }

  /** Runs the checks of an agent. */
  async check(agent: Agent, request: RequestInput): Promise<HublessError | undefined> {
    const { body, encoder } = encodeRequest(agent.agentId, request.content, request);
    const checked = await this.#session.run<{ rejection?: WireError }>(
      'check',
      { agent: agent.handle, request: body },
      encoder.attachments,
    );
    return checked.rejection && fromWire({ ...checked.rejection, rejection: true });
  }

  /** Stops the handler of a call; false when there is no such call. */
  cancel(id: number, reason: object): boolean {
    const running = this.#running.get(id);
    running?.context.cancel(reason);
    running?.release();
    return running !== undefined;
  }

  /** Stops everything; nothing is answered any more. */
  close(): void {
    for (const { context } of this.#running.values()) {
      context.cancel({ message: 'the node is closed' });
    }
    this.#running.clear();
    this.#hosted.clear();
  }

  async #call(id: number, wire: WireCall, attachments: readonly Uint8Array[]): Promise<void> {
    const content = decodeContent(this.#session, wire.content, attachments);
    const context = new CallContext(this.#node, this.#session, id, wire, content);
    // Not idle while a call is handled; one that was given up is not waited for.
    const release = this.#session.hold();
    this.#running.set(id, { context, release });
    try {
      const result = await runIn(context, () => this.#handle(wire, context));
      if (!context.cancelled) await this.#final(id, result).catch(badAnswer);
    } catch (error) {
      if (!context.cancelled) this.#session.answer('call.fail', { call: id, ...toFailure(error) });
    } finally {
      this.#running.delete(id);
      release();
    }
  }

  async #handle(wire: WireCall, context: CallContext): Promise<unknown> {
    const hosted = this.#hosted.get(wire.agent);
    if (!hosted) throw new Error('the agent is gone');
    const { implementation } = hosted;
    const skill = implementation.skills.find(({ id }) => id === wire.skill);
    const instance = wire.fresh ? await implementation.create() : hosted.instance;
    if (!instance) throw new Error('the agent has no instance');
    try {
      const input = await validate(skill?.input, plain(context.content), 'call');
      const produced = await methodOf(instance, skill)(input, context);
      const result = isIterator(produced) ? await sendAll(produced, context) : produced;
      return isContent(result) ? result : await validateOutput(skill, result);
    } finally {
      if (wire.fresh) await dispose(instance);
    }
  }

  async #final(id: number, result: unknown): Promise<void> {
    const encoder = new Encoder();
    const content = result === undefined ? undefined : encoder.content(result);
    const opening = encoder.open(this.#session);
    if (opening) await opening;
    const { done } = this.#session.start('call.final', { call: id, content }, encoder.attachments);
    encoder.pump(this.#session);
    await done;
  }

  async #verdict(id: number, event: AuthEvent): Promise<void> {
    // Whose function decides, the core has decided: none stands in for another one.
    const own = typeof event.agent === 'number';
    const rule = own ? this.#hosted.get(event.agent as number)?.auth : this.auth;
    const { scheme, credential, caller } = event;
    await this.#say('auth.verdict', id, async () => {
      if (typeof rule !== 'function') throw new Error('there is no auth function');
      const verdict = await rule({ scheme, credential, caller });
      const answer = typeof verdict === 'object' ? verdict : { allow: verdict === true };
      // A time that is no number is none to keep the verdict for: it must not stay unsaid.
      const cacheMs = Number.isFinite(answer.cacheMs) ? wholeMs(answer.cacheMs) : undefined;
      return { allow: answer.allow, cacheMs };
    });
  }

  async #count(id: number, event: CountEvent): Promise<void> {
    await this.#say('count.result', id, async () => {
      const tokens = await this.#hosted.get(event.agent)?.counter?.(event.texts);
      if (!Number.isSafeInteger(tokens)) throw new Error('expected a number of tokens');
      return { tokens };
    });
  }

  /** Answers a question; what follows where the user's function fails is the core's. */
  async #say(operation: string, id: number, answer: () => Promise<object>): Promise<void> {
    try {
      this.#session.answer(operation, { id, ...(await answer()) });
    } catch (error) {
      warn(`the function behind ${operation} failed`, error);
      this.#session.answer(operation, { id, failed: true });
    }
  }
}

interface AuthEvent {
  agent?: number | null;
  scheme: string;
  credential: string;
  caller: Caller;
}

interface CountEvent {
  agent: number;
  texts: string[];
}

type AnyIterator = AsyncIterator<unknown, unknown> | Iterator<unknown, unknown>;

function isIterator(value: unknown): value is AnyIterator {
  if (typeof value !== 'object' || value === null) return false;
  const iterable = Symbol.asyncIterator in value || Symbol.iterator in value;
  return iterable && typeof Reflect.get(value, 'next') === 'function';
}

/** Sends what a generator yields, with back-pressure; its result is the result of the call. */
async function sendAll(iterator: AnyIterator, context: CallContext): Promise<unknown> {
  try {
    for (;;) {
      const step = await iterator.next();
      if (step.done || context.cancelled) return step.value;
      await context.chunk(step.value);
    }
  } finally {
    await iterator.return?.();
  }
}

/** What an answer cannot carry is a fault of the handler's, not of what it was asked. */
function badAnswer(error: unknown): never {
  if (!(error instanceof HublessError) || error.kind !== 'invalid_argument') throw error;
  const message = `the answer is wrong: ${error.message}`;
  throw new HublessError({ kind: 'handler_failed', message }, { cause: error });
}

async function validateOutput(skill: SkillMethod | undefined, result: unknown): Promise<unknown> {
  return skill?.output ? validate(skill.output, result, 'call') : result;
}

function isContent(value: unknown): boolean {
  return value instanceof Content || value instanceof BlobPart || value instanceof Uint8Array;
}

async function dispose(instance: object): Promise<void> {
  for (const symbol of [Symbol.asyncDispose, Symbol.dispose]) {
    const method: unknown = symbol && Reflect.get(instance, symbol);
    if (typeof method !== 'function') continue;
    try {
      await method.call(instance);
    } catch (error) {
      warn('an agent instance could not be disposed of', error);
    }
    return;
  }
}

function warn(what: string, error: unknown): void {
  process.emitWarning(`${what}: ${messageOf(error)}`, 'HublessWarning');
}
