/**
 * Schemas in the language's own forms: Standard Schema (zod, valibot, arktype) or JSON Schema.
 * Owns the reading of both. The core validates against the JSON Schema; here only what JSON Schema
 * cannot say (transforms, refinements) is done. Tested by `test/schema.test.mjs`.
 */

import { HublessError, messageOf } from './errors.js';

/**
 * The part of Standard Schema that is used here; see standardschema.dev.
 *
 * @example
 * const Pair: StandardSchema<{ pair: string }> = z.object({ pair: z.string() });
 * await node.agent({ name: 'reads', input: Pair }, ({ pair }) => pair);
 * assert.equal((await node.request('reads', { pair: 'EURUSD' })).value, 'EURUSD');
 */
export interface StandardSchema<Input = unknown, Output = Input> {
  /** All of it, under the name that the specification reserves. */
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    /** Checks a value, and gives what it makes of it or what is wrong with it. */
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
    readonly jsonSchema?: {
      /** The schema of what is validated, in the dialect of JSON Schema that `target` names. */
      readonly input: (options: { target: string }) => Record<string, unknown>;
      /** The schema of what comes of it. */
      readonly output: (options: { target: string }) => Record<string, unknown>;
    };
  };
}

/** The outcome of a validation. */
export type StandardResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly StandardIssue[] };

/** One thing wrong with a value. */
export interface StandardIssue {
  /** For people. */
  readonly message: string;
  /** Where in the value. */
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/**
 * A JSON Schema (2020-12).
 *
 * @example
 * const input: JsonSchema = { type: 'object', required: ['pair'] };
 * await node.agent({ name: 'reads', input }, () => 'ok');
 * await assert.rejects(node.request('reads', {}), { kind: 'json' });
 */
export type JsonSchema = { readonly [keyword: string]: unknown };

/**
 * What can stand for a schema.
 *
 * @example
 * const schemas: Schema[] = [z.number(), { type: 'number' }];
 * for (const outputSchema of schemas) {
 *   await assert.rejects(node.request('greet', 'Ada', { outputSchema }), { kind: 'json' });
 * }
 */
export type Schema<Input = unknown, Output = Input> = StandardSchema<Input, Output> | JsonSchema;

/**
 * The type that a value of the schema has before it is validated.
 *
 * @example
 * const Query = z.object({ pair: z.string(), days: z.number().default(1) });
 * const asked: InputOf<typeof Query> = { pair: 'EURUSD' };
 * assert.equal(Query.parse(asked).days, 1);
 */
export type InputOf<S> = S extends StandardSchema
  ? NonNullable<S['~standard']['types']>['input']
  : unknown;

/**
 * The type that a validated value has.
 *
 * @example
 * const Rate = z.object({ rate: z.number() });
 * const reply = await node.request('rate', { pair: 'EURUSD' }, { output: Rate });
 * const value: OutputOf<typeof Rate> = reply.value;
 * assert.equal(value.rate, 1.1);
 */
export type OutputOf<S> = S extends StandardSchema
  ? NonNullable<S['~standard']['types']>['output']
  : unknown;

const TARGET = { target: 'draft-2020-12' };

/**
 * Gives the JSON Schema of a schema, undefined when its library cannot express one. `side` chooses
 * between what goes in and what comes out of it.
 */
export function jsonSchemaOf(
  schema: Schema | undefined,
  side: 'input' | 'output',
  field: string,
): JsonSchema | undefined {
  if (schema === undefined || !isStandard(schema)) return schema;
  try {
    return schema['~standard'].jsonSchema?.[side](TARGET);
  } catch (cause) {
    const message = `the schema has no JSON form: ${messageOf(cause)}`;
    const fields = { kind: 'configuration', operation: 'register', field, message } as const;
    throw new HublessError(fields, { cause });
  }
}

/** Validates and transforms a value; JSON Schemas are left to the core. */
export async function validate(
  schema: Schema | undefined,
  value: unknown,
  operation: string,
): Promise<unknown> {
  if (schema === undefined || !isStandard(schema)) return value;
  const result = await schema['~standard'].validate(value);
  if (result.issues === undefined) return result.value;
  const issue = result.issues[0];
  const pointer = pointerOf(issue?.path ?? []);
  const message = issue?.message ?? 'the value does not match its schema';
  throw new HublessError({ kind: 'json', operation, pointer, message });
}

/** Whether this is a Standard Schema; some libraries make them functions. */
export function isStandard(schema: unknown): schema is StandardSchema {
  const kind = typeof schema;
  return (
    schema !== null && (kind === 'object' || kind === 'function') && '~standard' in Object(schema)
  );
}

function pointerOf(path: readonly (PropertyKey | { readonly key: PropertyKey })[]): string {
  const keys = path.map((step) => (typeof step === 'object' ? step.key : step));
  return keys.map((key) => `/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}
