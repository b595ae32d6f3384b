/**
 * The node that a process has without asking for one. Started on first use; exported as plain
 * functions. Owns nothing else. Tested by `test/default.test.mjs`.
 */

import type { Agent } from './agent.js';
import type { AgentTarget, Handler, Skills } from './implementation.js';
import { Node, type ResultOf } from './node.js';
import type { AgentOptions, FindOptions, Query, RequestOptions } from './options.js';
import type { Peer } from './peer.js';
import type { Reply } from './reply.js';
import type { Target } from './request.js';
import type { OutputOf, Schema } from './schema.js';

let starting: Promise<Node> | undefined;

/**
 * The node of this process or worker thread; one that failed or was closed is replaced.
 *
 * @example
 * assert.equal(await defaultNode(), await defaultNode());
 */
export async function defaultNode(): Promise<Node> {
  starting ??= Node.start();
  const mine = starting;
  try {
    const node = await mine;
    if (!node.closed) return node;
  } catch (error) {
    if (starting === mine) starting = undefined;
    throw error;
  }
  if (starting === mine) starting = undefined;
  return defaultNode();
}

/**
 * Registers a function as an agent of the default node.
 *
 * @example
 * await agent({ name: 'shout' }, (input) => `${input}!`);
 * assert.equal((await request('shout', 'hey')).value, 'hey!');
 */
export async function agent<In extends Schema = Schema, Out extends Schema = Schema>(
  options: AgentOptions<In, Out>,
  handler: Handler<OutputOf<In>, ResultOf<Out>>,
): Promise<Agent> {
  return (await defaultNode()).agent(options, handler);
}

/**
 * Registers an agent of any form with the default node.
 *
 * @example
 * await register(async function negate(n: number) {
 *   return -n;
 * });
 * assert.equal((await request('negate', 4)).value, -4);
 */
export async function register(
  target: AgentTarget,
  options: AgentOptions & { skills?: Skills } = {},
): Promise<Agent> {
  return (await defaultNode()).register(target, options);
}

/**
 * Asks an agent through the default node.
 *
 * @example
 * assert.equal((await request('greet', 'Ada')).value, 'hello Ada');
 */
export async function request<Out extends Schema>(
  to: Target,
  input?: unknown,
  options: RequestOptions<Out> = {},
): Promise<Reply<OutputOf<Out>>> {
  return (await defaultNode()).request(to, input, options);
}

/**
 * Finds agents through the default node.
 *
 * @example
 * const [best] = await find('exchange rates', { tags: ['fx'] });
 * assert.equal(best?.name, 'rate');
 */
export async function find(query: string | Query, options: FindOptions = {}): Promise<Peer[]> {
  return (await defaultNode()).find(query, options);
}

/**
 * Finds the best agent through the default node.
 *
 * @example
 * const rates = await peer('exchange rates', { tags: ['fx'] });
 * assert.deepEqual((await rates.request({ pair: 'EURUSD' })).value, { rate: 1.1 });
 */
export async function peer(query: string | Query, options: FindOptions = {}): Promise<Peer> {
  return (await defaultNode()).peer(query, options);
}
