/**
 * What a client of OpenAI's API is given in a handler.
 * Owns its record. Must not know what a key may pay: that is the core's. Tested by
 * `test/provider.test.mjs`.
 */

/**
 * Base URL and short-lived key of the node's metering gateway:
 * `new OpenAI({ baseURL: provider.baseUrl, apiKey: provider.apiKey })`.
 *
 * @example
 * await node.agent({ name: 'thinks' }, async (_, ctx) => {
 *   const provider: Provider = await ctx.provider({ maxCost: 20_000 });
 *   return provider.baseUrl;
 * });
 * await assert.rejects(node.request('thinks'), { kind: 'configuration', code: 'no_budget' });
 */
export interface Provider {
  /** Base URL, as in `OPENAI_BASE_URL`. */
  readonly baseUrl: string;
  /** Key, as in `OPENAI_API_KEY`; a secret. */
  readonly apiKey: string;
  /** From when on the key begins nothing more. */
  readonly expires: Date;
}

/**
 * The most that a key may take; what is left out is a quarter of what is free of it.
 *
 * @example
 * const most: ProviderOptions = { maxInput: 8_000, maxOutput: 1_000 };
 * await node.agent({ name: 'limits' }, async (_, ctx) => (await ctx.provider(most)).baseUrl);
 * await assert.rejects(node.request('limits'), { kind: 'configuration', code: 'no_budget' });
 */
export interface ProviderOptions {
  /** Tokens that models read. */
  readonly maxInput?: number;
  /** Tokens that they write. */
  readonly maxOutput?: number;
  /** Cost, in millionths of the currency. */
  readonly maxCost?: number;
}

/** Reads the record of the contract. */
export function decodeProvider(wire: {
  baseUrl: string;
  apiKey: string;
  untilMs: number;
}): Provider {
  return { baseUrl: wire.baseUrl, apiKey: wire.apiKey, expires: new Date(wire.untilMs) };
}
