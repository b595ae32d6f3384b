/** Making tools with their types. */

import type { Tool } from './options.js';
import type { Schema } from './schema.js';

/**
 * Makes a tool that a request can offer; the types of its input come from the schema.
 *
 * @example
 * const add = tool({ name: 'add', input: z.object({ a: z.number(), b: z.number() }),
 *   run: ({ a, b }) => a + b });
 * await node.request('planner', 'two and two?', { tools: [add] });
 */
export function tool<In extends Schema = Schema, Out extends Schema = Schema>(
  definition: Tool<In, Out>,
): Tool<In, Out> {
  return definition;
}
