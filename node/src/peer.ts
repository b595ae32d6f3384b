/** Agents found. Owns the shape of a result; the calls are the node's. */

import type { KillSwitch } from './killswitch.js';
import type { Node } from './node.js';
import type { RequestOptions } from './options.js';
import type { Reply } from './reply.js';
import type { OutputOf, Schema } from './schema.js';
import type { CallStream } from './stream.js';

/**
 * What is known of an agent that was found.
 *
 * @example
 * const names = (await node.find('', { tags: ['fx'] })).map((found: Found) => found.name);
 * assert.deepEqual(names, ['rate']);
 */
export interface Found {
  /** Its public key as `did:key:…`. */
  readonly agentId: string;
  /** Short form `N:NNNN.HHHH.LLLL` of the id. */
  readonly address: string;
  /** Its name. */
  readonly name: string;
  /** A title for people. */
  readonly title?: string;
  /** What it does; text of a stranger. */
  readonly description: string;
  /** Its version. */
  readonly version: string;
  /** The node that hosts it; null: it was imported, and no node announced it. */
  readonly nodeKey: string | null;
  /** Its tags. */
  readonly tags: readonly string[];
  /** What it can do, in short. */
  readonly skills: readonly FoundSkill[];
  /** Whether it wants a credential. */
  readonly requiresAuth: boolean;
  /** Whether its key outlives its process. */
  readonly stored: boolean;
  /** Whether it lives only moments. */
  readonly transient: boolean;
  /** What it needs of callers. */
  readonly needs: Readonly<Record<string, unknown>>;
  /** How well it fits. */
  readonly score: number;
  /** How it is reached. */
  readonly path: 'in_process' | 'direct' | 'relay' | 'unknown';
  /** Time there and back, if known. */
  readonly latencyUs?: number;
  /** What spoke for it, when it was asked to be explained. */
  readonly explain?: readonly { signal: string; value: number; weight: number }[];
}

/**
 * The short form of a skill.
 *
 * @example
 * const skill: FoundSkill | undefined = (await node.peer('', { tags: ['fx'] })).skills[0];
 * assert.equal(skill?.id, 'rate');
 */
export interface FoundSkill {
  /** Id to ask for. */
  readonly id: string;
  /** A title for people. */
  readonly title?: string;
  /** The beginning of its description. */
  readonly description?: string;
  /** Its tags. */
  readonly tags?: readonly string[];
  /** Its typed facts. */
  readonly attributes?: Readonly<Record<string, unknown>>;
  /** What may be repeated. */
  readonly effect?: string;
}

/**
 * All that an agent publishes.
 *
 * @example
 * const { descriptor, skills }: Description = await node.describe('rate');
 * assert.deepEqual([descriptor.name, skills.length], ['rate', 1]);
 */
export interface Description {
  /** What the agent signed. */
  readonly descriptor: Readonly<Record<string, unknown>>;
  /** Its skills with their schemas. */
  readonly skills: readonly Readonly<Record<string, unknown>>[];
}

/** What an agent found is. */
export interface Peer extends Found {}

/**
 * An agent found, ready to be asked.
 *
 * @example
 * const rates: Peer = await node.peer('exchange rates', { tags: ['fx'] });
 * assert.deepEqual((await rates.request({ pair: 'EURUSD' })).value, { rate: 1.1 });
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the constructor assigns every field
export class Peer {
  readonly #node: Node;
  readonly #killSwitch: KillSwitch | undefined;

  /** Made by the node. */
  constructor(node: Node, found: Found, killSwitch?: KillSwitch) {
    this.#node = node;
    this.#killSwitch = killSwitch;
    Object.assign(this, found);
  }

  /**
   * The same agent, every request to which is under a switch unless its options name another.
   *
   * @example
   * using killSwitch = new KillSwitch({ calls: 2 });
   * const rates = (await node.peer('exchange rates', { tags: ['fx'] })).with(killSwitch);
   * await rates.request({ pair: 'EURUSD' });
   * assert.equal(killSwitch.spent.calls, 1);
   */
  with(killSwitch: KillSwitch): Peer {
    return new Peer(this.#node, this, killSwitch);
  }

  /** Asks it and waits for the whole answer. */
  request<Out extends Schema>(
    input: unknown,
    options: RequestOptions<Out> = {},
  ): Promise<Reply<OutputOf<Out>>> {
    return this.#node.request(this, input, this.#paid(options));
  }

  /** Asks it and reads the answer in pieces. */
  stream(input: unknown, options: RequestOptions = {}): CallStream {
    return this.#node.stream(this, input, this.#paid(options));
  }

  /** Fetches its whole description with the schemas of its skills. */
  describe(): Promise<Description> {
    return this.#node.describe(this.agentId);
  }

  /**
   * Makes an ordinary async function of it, which gives the value of the answer.
   *
   * @example
   * const RateQuery = z.object({ pair: z.string() });
   * const Rate = z.object({ rate: z.number() });
   * const rate = (await node.peer('rates', { tags: ['fx'] })).callable({
   *   input: RateQuery,
   *   output: Rate,
   * });
   * assert.equal((await rate({ pair: 'EURUSD' })).rate, 1.1);
   */
  callable<In extends Schema = Schema, Out extends Schema = Schema>(
    types: { input?: In; output?: Out; skill?: string } = {},
  ): (input: InputFor<In>, options?: RequestOptions) => Promise<OutputOf<Out>> {
    const { output, skill } = types;
    return async (input, options = {}) => {
      const reply = await this.request<Out>(input, { skill, output, ...options } as never);
      return reply.value;
    };
  }

  #paid<Options extends RequestOptions>(options: Options): Options {
    return { ...options, killSwitch: options.killSwitch ?? this.#killSwitch };
  }
}

type InputFor<S> = import('./schema.js').InputOf<S>;
