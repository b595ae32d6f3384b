/** Agents found. Owns the shape of a result; the calls are the node's. */

import type { Node } from './node.js';
import type { RequestOptions } from './options.js';
import type { Reply } from './reply.js';
import type { OutputOf, Schema } from './schema.js';
import type { CallStream } from './stream.js';

/** What is known of an agent that was found. */
export interface Found {
  readonly agentId: string;
  readonly address: string;
  readonly name: string;
  readonly title?: string;
  readonly description: string;
  readonly version: string;
  readonly nodeKey: string;
  readonly tags: readonly string[];
  readonly skills: readonly FoundSkill[];
  readonly requiresAuth: boolean;
  readonly stored: boolean;
  readonly transient: boolean;
  readonly needs: Readonly<Record<string, unknown>>;
  readonly score: number;
  readonly path: 'in_process' | 'direct' | 'relay' | 'unknown';
  readonly latencyUs?: number;
  /** What spoke for it, when it was asked to be explained. */
  readonly explain?: readonly { signal: string; value: number; weight: number }[];
}

/** The short form of a skill. */
export interface FoundSkill {
  readonly id: string;
  readonly title?: string;
  readonly description?: string;
  readonly tags?: readonly string[];
  readonly attributes?: Readonly<Record<string, unknown>>;
  readonly effect?: string;
}

/** All that an agent publishes. */
export interface Description {
  readonly descriptor: Readonly<Record<string, unknown>>;
  readonly skills: readonly Readonly<Record<string, unknown>>[];
}

/** An agent found, ready to be asked. */
export interface Peer extends Found {}

/** An agent found, ready to be asked. */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the constructor assigns every field
export class Peer {
  readonly #node: Node;

  /** Made by the node. */
  constructor(node: Node, found: Found) {
    this.#node = node;
    Object.assign(this, found);
  }

  /** Asks it and waits for the whole answer. */
  request<Out extends Schema>(
    input: unknown,
    options: RequestOptions<Out> = {},
  ): Promise<Reply<OutputOf<Out>>> {
    return this.#node.request(this, input, options);
  }

  /** Asks it and reads the answer in pieces. */
  stream(input: unknown, options: RequestOptions = {}): CallStream {
    return this.#node.stream(this, input, options);
  }

  /** Fetches its whole description with the schemas of its skills. */
  describe(): Promise<Description> {
    return this.#node.describe(this.agentId);
  }

  /**
   * Makes an ordinary async function of it, which gives the value of the answer.
   *
   * @example
   * const rate = peer.callable({ input: RateQuery, output: Rate });
   * const { value } = await rate({ pair: 'EURUSD' });
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
}

type InputFor<S> = import('./schema.js').InputOf<S>;
