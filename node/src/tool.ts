/** Making tools with their types. */

import type { Tool } from './options.js';
import type { Schema } from './schema.js';

/**
 * Makes a tool that a request can offer; the types of its input come from the schema.
 *
 * @example
 * const input = z.object({ a: z.number(), b: z.number() });
 * const add = tool({ name: 'add', input, run: ({ a, b }) => a + b });
 * await node.agent({ name: 'sums' }, (_, ctx) => ctx.callTool('add', { a: 1, b: 2 }));
 * assert.equal((await node.request('sums', null, { tools: [add] })).value, 3);
 */
export function tool<In extends Schema = Schema, Out extends Schema = Schema>(
  definition: Tool<In, Out>,
): Tool<In, Out> {
  return definition;
}
