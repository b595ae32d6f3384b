/**
 * A request on its way into the core. Owns its encoding. Tested by `test/request.test.mjs`.
 */

import { ambientCall, ambientSwitch } from './ambient.js';
import { encodeAmounts } from './budget.js';
import { Encoder } from './content.js';
import { wholeMs } from './json.js';
import { KillSwitch } from './killswitch.js';
import type { Query, RequestOptions } from './options.js';
import { jsonSchemaOf, type Schema } from './schema.js';

/**
 * Whom a request is for: an id, address or name, something found, or the best match of a query.
 *
 * @example
 * const target: Target = { query: { text: 'exchange rates', tags: ['fx'] } };
 * assert.equal((await node.request(target, { pair: 'EURUSD' })).agent.name, 'rate');
 */
export type Target = string | { readonly agentId: string } | { readonly query: Query | string };

/** A request in the contract's form. */
export interface EncodedRequest {
  /** JSON object. */
  body: object;
  /** Its attachments and streamed parts. */
  encoder: Encoder;
}

/**
 * The short form of a request, as people and models write it.
 *
 * @example
 * const request: AgentRequest = { agent: 'greet', prompt: 'Ada' };
 * assert.equal((await node.send(request)).output?.text, 'hello Ada');
 */
export interface AgentRequest {
  /** Id, address or name. */
  agent: string;
  /** What is asked, in words; comes before `content`. */
  prompt?: string;
  /** Schema of what is asked. */
  promptSchema?: Schema;
  /** What is asked, or goes with the prompt, in any form of content. */
  content?: unknown;
  /** Id of the skill that is meant. */
  skill?: string;
  /** What the callee may call back. */
  tools?: RequestOptions['tools'];
  /** Name of a stored template. */
  template?: string;
  /** The call on whose behalf this is; default the one being handled. */
  parent?: RequestOptions['parent'];
  /** What pays for the call and stops it. */
  killSwitch?: RequestOptions['killSwitch'];
  /** The most that the call may be given of its budget. */
  max?: RequestOptions['max'];
}

/**
 * A request as one value: its options and its content.
 *
 * @example
 * const input: RequestInput = { content: 'Ada', timeoutMs: 5_000 };
 * assert.equal((await node.send({ ...input, to: 'greet' })).output?.text, 'hello Ada');
 */
export interface RequestInput extends RequestOptions {
  /** What is asked. */
  content?: unknown;
}

/** Writes a request in the contract's form. */
export function encodeRequest(
  to: Target | undefined,
  input: unknown,
  options: RequestOptions,
): EncodedRequest {
  const { signal, output, from, onInput, waitMs, timeoutMs, totalMs, tools, ...rest } = options;
  const encoder = new Encoder();
  const body = {
    ...rest,
    content: encoder.content(input),
    to: encodeTarget(to),
    tools: encodeTools(tools),
    inputSchema: jsonSchemaOf(options.inputSchema, 'input', 'inputSchema'),
    outputSchema: jsonSchemaOf(options.outputSchema, 'output', 'outputSchema'),
    ...encodeFunds(options),
    from: from?.handle,
    onInput: onInput ? true : undefined,
    wait: wholeMs(waitMs),
    timeoutMs: wholeMs(timeoutMs),
    totalMs: wholeMs(totalMs),
  };
  return { body, encoder };
}

/** Writes the short form of a request. */
export function encodeShort(request: AgentRequest): EncodedRequest {
  const { content, tools, promptSchema, ...rest } = request;
  const encoder = new Encoder();
  const body = {
    ...rest,
    content: content === undefined ? undefined : encoder.content(content),
    tools: encodeTools(tools),
    promptSchema: jsonSchemaOf(promptSchema, 'input', 'promptSchema'),
    ...encodeFunds(request),
  };
  return { body, encoder };
}

/** Writes what is known of tools that are offered. */
export function encodeTools(tools: RequestOptions['tools']): object[] | undefined {
  return tools?.map((tool) => ({
    name: tool.name,
    description: tool.description ?? '',
    inputSchema: jsonSchemaOf(tool.input, 'input', 'tools') ?? { type: 'object' },
    outputSchema: jsonSchemaOf(tool.output, 'output', 'tools'),
    effect: tool.effect,
  }));
}

/** Writes a query in the contract's form. */
export function encodeQuery(query: string | Query, more: Omit<Query, 'text'> = {}): object {
  const whole: Query = typeof query === 'string' ? { ...more, text: query } : { ...query, ...more };
  const accepts = jsonSchemaOf(whole.accepts as Schema | undefined, 'input', 'accepts');
  return { ...whole, accepts };
}

/** The call that a request belongs to, and what pays for it. */
function encodeFunds(given: Pick<RequestOptions, 'parent' | 'killSwitch' | 'max'>) {
  const call = given.parent ?? ambientCall();
  const parent = call?.parentId;
  const ambient = call?.granted === undefined ? ambientSwitch() : undefined;
  const killSwitch = given.killSwitch === undefined ? ambient : given.killSwitch;
  return { parent, killSwitch: KillSwitch.handleOf(killSwitch), max: encodeAmounts(given.max) };
}

function encodeTarget(to: Target | undefined): unknown {
  if (typeof to !== 'object') return to;
  return 'query' in to ? { query: encodeQuery(to.query) } : to.agentId;
}
