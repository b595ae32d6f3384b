/**
 * The forms an agent can have: function, generator, object, class, factory.
 * Owns the reading of them. Knows nothing of nodes. Tested by `test/handlers.test.mjs`.
 */

import type { CallContext } from './context.js';
import { HublessError } from './errors.js';
import type { AgentOptions, SkillOptions } from './options.js';
import { jsonSchemaOf } from './schema.js';

/**
 * Handles calls: a plain, async or generator function.
 *
 * @example
 * const twice: Handler<number, number> = (n) => n * 2;
 * await node.register(twice, { name: 'twice' });
 * assert.equal((await node.request('twice', 4)).value, 8);
 */
export type Handler<Input = unknown, Output = unknown> = (
  input: Input,
  context: CallContext,
) => Output | Promise<Output> | AsyncGenerator<unknown, Output> | Generator<unknown, Output>;

/**
 * Schemas and facts of the skills of an object or class, by the name of their methods.
 *
 * @example
 * const skills: Skills = { add: { title: 'Adds two numbers', effect: 'PURE' } };
 * const adder = { skills, add: ({ a, b }: { a: number; b: number }) => a + b };
 * await node.register(adder, { name: 'adder' });
 * assert.equal((await node.request('adder', { a: 1, b: 2 }, { skill: 'add' })).value, 3);
 */
export type Skills = Readonly<Record<string, SkillOptions>>;

/**
 * An object that handles calls: by `handle`, or by one method for each of its `skills`.
 *
 * @example
 * const counter: AgentObject = { handle: (words: string) => words.split(' ').length };
 * await node.register(counter, { name: 'counter' });
 * assert.equal((await node.request('counter', 'one two')).value, 2);
 */
export interface AgentObject {
  /** Schemas and facts by method; without it `handle` takes every call. */
  readonly skills?: Skills;
  /** Handles calls of an agent with one skill. */
  handle?: Handler<never>;
}

/**
 * A class of such objects; its skills are static.
 *
 * @example
 * class Fresh {
 *   calls = 0;
 *   handle = () => ++this.calls;
 * }
 * const type: AgentClass = Fresh;
 * await node.register(type, { name: 'fresh', concurrency: 'isolated' });
 * for (const _ of [1, 2]) assert.equal((await node.request('fresh')).value, 1);
 */
export interface AgentClass {
  new (): object;
  /** Schemas and facts by method; without it `handle` takes every call. */
  readonly skills?: Skills;
}

/** Makes a new agent for every call. */
export class Factory {
  /** Use {@link factory}. */
  constructor(readonly create: () => object | Promise<object>) {}
}

/**
 * Marks a function that makes an agent object or handler anew for every call.
 *
 * @example
 * const made = factory(() => ({ handle: () => 'made for this call' }));
 * await node.register(made, { name: 'made' });
 * assert.equal((await node.request('made')).value, 'made for this call');
 */
export function factory(create: () => object | Promise<object>): Factory {
  return new Factory(create);
}

/**
 * What can be registered.
 *
 * @example
 * const targets: AgentTarget[] = [() => 'a function', { handle: () => 'an object' }];
 * for (const [n, target] of targets.entries()) await node.register(target, { name: `agent-${n}` });
 * assert.equal((await node.request('agent-1')).value, 'an object');
 */
export type AgentTarget = Handler<never> | AgentObject | AgentClass | Factory;

/** One skill with the method that carries it. */
export interface SkillMethod extends SkillOptions {
  /** Id by which it is asked for. */
  id: string;
  /** Undefined: the instance is a function, or handles by `handle`. */
  method: string | undefined;
}

/** A target, read. */
export interface Implementation {
  /** Name to register under. */
  name: string;
  /** What it can do. */
  skills: readonly SkillMethod[];
  /** Whether every call gets an instance of its own. */
  isolated: boolean;
  /** Whether it answers in pieces. */
  streaming: boolean;
  /** Makes an instance. */
  create: () => object | Promise<object>;
}

/** Reads what is registered, with its options. */
export function implementationOf(
  target: AgentTarget,
  options: AgentOptions & { skills?: Skills },
): Implementation {
  const form = formOf(target);
  const name = options.name ?? form.name;
  if (!name) throw refused('name', 'an agent without a function or class name needs a name');
  const declared = options.skills ?? form.skills;
  const skills = declared ? skillMethods(declared) : [onlySkill(name, options)];
  const isolated = options.concurrency === 'isolated' || target instanceof Factory;
  if (isolated && form.fixed) {
    throw refused('concurrency', 'isolated needs a class or a factory, to make new instances of');
  }
  const streaming = options.streaming ?? form.streaming;
  return { name, skills, isolated, streaming, create: form.create };
}

/** The skills as the core takes them. */
export function encodeSkills(skills: readonly SkillMethod[]): object[] {
  return skills.map(({ input, output, ...skill }) => ({
    id: skill.id,
    title: skill.title,
    description: skill.description,
    tags: skill.tags,
    attributes: skill.attributes,
    effect: skill.effect,
    spends: skill.spends,
    share: skill.share,
    examples: skill.examples,
    modesIn: skill.modesIn,
    modesOut: skill.modesOut,
    costHint: skill.costHint,
    inputSchema: jsonSchemaOf(input, 'input', 'input'),
    outputSchema: jsonSchemaOf(output, 'output', 'output'),
  }));
}

/** The function of an instance that carries a skill; none: of an agent without skills. */
export function methodOf(instance: object, skill: SkillMethod | undefined): Handler {
  if (typeof instance === 'function') return instance as Handler;
  const name = skill?.method ?? 'handle';
  const method: unknown = Reflect.get(instance, name);
  if (typeof method !== 'function') {
    const message = `the agent has no method ${name}`;
    throw new HublessError({ kind: 'internal', operation: 'call', message });
  }
  return method.bind(instance) as Handler;
}

interface Form {
  name: string;
  skills: Skills | undefined;
  /** Whether there is one instance for ever. */
  fixed: boolean;
  streaming: boolean;
  create: () => object | Promise<object>;
}

function formOf(target: AgentTarget): Form {
  if (target instanceof Factory) {
    const { create } = target;
    return { name: '', skills: undefined, fixed: false, streaming: false, create };
  }
  if (isClass(target)) {
    const { name, skills } = target;
    const streaming = isGenerator(Reflect.get(target.prototype, 'handle'));
    return { name, skills, fixed: false, streaming, create: () => new target() };
  }
  const create = () => target;
  if (typeof target === 'function') {
    const { name } = target;
    return { name, skills: undefined, fixed: true, streaming: isGenerator(target), create };
  }
  if (typeof target !== 'object' || target === null) {
    throw refused('target', 'expected a function, an object, a class or a factory');
  }
  const { skills } = target;
  const name = target.constructor === Object ? '' : target.constructor.name;
  return { name, skills, fixed: true, streaming: isGenerator(target.handle), create };
}

function onlySkill(name: string, options: AgentOptions): SkillMethod {
  return { ...options, id: options.skill ?? name, method: undefined };
}

function skillMethods(skills: Skills): SkillMethod[] {
  return Object.entries(skills).map(([id, options]) => ({ ...options, id, method: id }));
}

function isClass(target: AgentTarget): target is AgentClass & { name: string; prototype: object } {
  return typeof target === 'function' && /^class\b/.test(Function.prototype.toString.call(target));
}

function isGenerator(value: unknown): boolean {
  if (typeof value !== 'function') return false;
  return /GeneratorFunction$/.test(value.constructor.name);
}

function refused(field: string, message: string): HublessError {
  return new HublessError({ kind: 'configuration', operation: 'register', field, message });
}
