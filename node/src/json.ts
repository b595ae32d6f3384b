/**
 * Bodies of operations as text, with an error of ours for what has no JSON. Knows no operation
 * but `limits`, for the bound that such an error names. Tested by `test/request.test.mjs` and
 * `test/texts.test.mjs`.
 */

import { types } from 'node:util';
import { HublessError, messageOf } from './errors.js';
import { native } from './native.js';

/** How `JSON.stringify` writes half a pair; a backslash that the text has itself is doubled. */
const LONE_SURROGATE = /(?<!\\)(?:\\\\)*\\ud[89a-f]/;

/** Writes a body; an error names the field of the body that holds what cannot be written. */
export function encodeBody(operation: string, body: object): string {
  try {
    return written(body);
  } catch (cause) {
    if (cause instanceof HublessError) throw cause;
    const field = fieldAtFault(body);
    if (cause instanceof RangeError) throw tooDeep(operation, field);
    const message = `the value cannot be written as JSON: ${messageOf(cause)}`;
    throw new HublessError({ kind: 'invalid_argument', operation, field, message }, { cause });
  }
}

/** Writes a value; throws for what would arrive as something else. */
function written(value: object): string {
  const text = JSON.stringify(value);
  if (text.includes('\\ud') && LONE_SURROGATE.test(text)) {
    throw new TypeError('expected Unicode text, got a lone surrogate');
  }
  // What is no number becomes null without a word; only then is a second look worth its time.
  if (text.includes('null')) JSON.stringify(value, finite);
  refuseFormless(value);
  return text;
}

/** Objects of which `JSON.stringify` leaves out what is in them, without a word. */
const FORMLESS: readonly ((value: unknown) => boolean)[] = [
  types.isMap,
  types.isSet,
  types.isWeakMap,
  types.isWeakSet,
  types.isPromise,
  types.isRegExp,
  types.isNativeError,
  types.isAnyArrayBuffer,
  types.isGeneratorObject,
  ArrayBuffer.isView,
];

/** Throws for what JSON has no form for; what has a `toJSON` says its form itself. */
function refuseFormless(value: unknown): void {
  const [kind, isObject] = [typeof value, typeof value === 'object' && value !== null];
  if (!isObject && kind !== 'function' && kind !== 'symbol') return;
  if (typeof (value as { toJSON?: unknown }).toJSON === 'function') return;
  if (!isObject) throw formless(`a ${kind}`);
  const own = Object.getPrototypeOf(value);
  const isPlain = own === Object.prototype || own === Array.prototype || own === null;
  if (!isPlain && FORMLESS.some((is) => is(value))) throw formless(`a ${own.constructor.name}`);
  for (const member of Object.values(value as object)) refuseFormless(member);
}

function formless(what: string): TypeError {
  return new TypeError(`expected what JSON can say, got ${what}: send an object, a list or a text`);
}

function finite(_key: string, value: unknown): unknown {
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw new TypeError(`expected a finite number, got ${value}: send null or a text instead`);
  }
  return value;
}

/** Rounds a time up, so that a short one is never none; what is no number is refused as it is. */
export function wholeMs(ms: number | undefined): number | undefined {
  return Number.isFinite(ms) ? Math.ceil(ms as number) : ms;
}

function fieldAtFault(body: object): string | undefined {
  return Object.entries(body).find(([name, value]) => !canBeWritten({ [name]: value }))?.[0];
}

function canBeWritten(value: object): boolean {
  try {
    written(value);
    return true;
  } catch {
    return false;
  }
}

/** What JSON.stringify overflows the stack with is far beyond what the core would take. */
function tooDeep(operation: string, field: string | undefined): HublessError {
  const [, told] = native().ask('limits', '{}');
  const { limits } = JSON.parse(told) as { limits: Record<string, number> };
  const limit = { name: 'JSON_DEPTH', value: limits.JSON_DEPTH ?? 0 };
  const message = `expected at most ${limit.value} levels of JSON`;
  return new HublessError({ kind: 'json', code: 'too_deep', operation, field, message, limit });
}
