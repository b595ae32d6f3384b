/**
 * What programs are tested with: a mesh of their own, fake peers, recordings.
 *
 * Owns the form of it in Node.js; scripts, matching and redaction are the core's (the contract,
 * section 8). Tested by `test/testing.test.mjs`.
 *
 * @module hubless/testing
 */

import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Registered } from './agent.js';
import { ask } from './ask.js';
import { type Content, decodeContent } from './content.js';
import type { Caller } from './context.js';
import { invalidArgument } from './errors.js';
import { Node, sessionOf } from './node.js';
import type { NodeOptions } from './options.js';
import type { WireContent } from './wire.js';

/**
 * Content of a script: `value` for one text or data part, or all parts.
 *
 * @example
 * const { startMesh } = await import('hubless/testing');
 * const answer: import('hubless/testing').ScriptContent = { value: { tempC: 7 } };
 * await using mesh = await startMesh();
 * await mesh.fake('weather', { steps: [{ answer }] });
 * assert.deepEqual((await mesh.node.request('weather')).value, { tempC: 7 });
 */
export interface ScriptContent {
  /** A string is one text part, anything else one data part. */
  value?: unknown;
  /** Parts `{ text }`, `{ data }`, `{ uri }` or `{ blob: { mediaType, bytes } }` with base64. */
  parts?: readonly object[];
  /** Further facts of the content. */
  metadata?: Readonly<Record<string, unknown>>;
}

/**
 * What a fake peer does with a request: either `answer` or `error`, after its events.
 *
 * @example
 * const { startMesh } = await import('hubless/testing');
 * const refusal: import('hubless/testing').Reaction = { error: { kind: 'busy' } };
 * await using mesh = await startMesh();
 * await mesh.fake('weather', { otherwise: refusal });
 * await assert.rejects(mesh.node.request('weather'), { kind: 'busy' });
 */
export interface Reaction {
  /** Gate that is to be opened first, by `release`. */
  hold?: string;
  /** What is sent ahead of the answer. */
  events?: readonly (
    | { progress: { note?: string; fraction?: number } }
    | { chunk: { value?: unknown; part?: object; append?: boolean } }
  )[];
  /** What it says that it spent. */
  usage?: { inputTokens?: number; outputTokens?: number; costMicros?: number };
  /** The answer. */
  answer?: ScriptContent;
  /** The refusal; default kind `handler_failed`. */
  error?: {
    kind?: string;
    code?: string;
    message?: string;
    field?: string;
    retry?: 'never' | 'later' | { afterMs: number };
  };
}

/**
 * A reaction, and which requests it is for.
 *
 * @example
 * const { startMesh } = await import('hubless/testing');
 * const step: import('hubless/testing').Step = {
 *   when: { contains: { city: 'Oslo' } },
 *   times: 'any',
 *   answer: { value: 7 },
 * };
 * await using mesh = await startMesh();
 * await mesh.fake('weather', { steps: [step] });
 * assert.equal((await mesh.node.request('weather', { city: 'Oslo', days: 3 })).value, 7);
 */
export interface Step extends Reaction {
  /** What a request must be; default anything. */
  when?: {
    /** The skill that is meant. */
    skill?: string;
    /** The value of its one text or data part. */
    value?: unknown;
    /** A part of that: members, elements, or a piece of the text. */
    contains?: unknown;
    /** The whole content. */
    content?: ScriptContent;
  };
  /** How often it answers; default once. */
  times?: number | 'any';
}

/**
 * What a fake peer answers.
 *
 * @example
 * const { startMesh } = await import('hubless/testing');
 * const script: import('hubless/testing').Script = {
 *   steps: [{ answer: { value: 1 } }, { answer: { value: 2 } }],
 * };
 * await using mesh = await startMesh();
 * await mesh.fake('counter', script);
 * assert.equal((await mesh.node.request('counter')).value, 1);
 * assert.equal((await mesh.node.request('counter')).value, 2);
 */
export interface Script {
  /**
   * How requests and steps come together: the first that fits and is not used up (`byContent`, the
   * default), in the order of the steps (`strict`), or as by content with the last that fits again
   * where all are used up (`loose`).
   */
  mode?: 'byContent' | 'strict' | 'loose';
  /** The steps. */
  steps?: readonly Step[];
  /** For what no step fits; default it is refused. */
  otherwise?: Reaction;
}

/**
 * A request that a fake peer was asked.
 *
 * @example
 * const { startMesh } = await import('hubless/testing');
 * await using mesh = await startMesh();
 * const fake = await mesh.fake('weather', { otherwise: { answer: { value: 7 } } });
 * await mesh.node.request('weather', { city: 'Oslo' });
 * const [asked] = await fake.asked();
 * assert.deepEqual([asked?.value, asked?.ending], [{ city: 'Oslo' }, 'answered']);
 */
export interface Asked {
  /** The skill that was meant. */
  readonly skill: string;
  /** What was asked. */
  readonly content: Content;
  /** The value of its one text or data part, else null. */
  readonly value: unknown;
  /** All its text parts, joined. */
  readonly text: string;
  /** Who asked. */
  readonly caller: Caller;
  /** The conversation that it belongs to. */
  readonly conversationId: string | undefined;
  /** Metadata of the request. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** The step that answers it, counted from 0; null where none fits. */
  readonly step: number | null;
  /** What became of it; `refused` where no step fitted. */
  readonly ending: 'open' | 'answered' | 'failed' | 'refused' | 'cancelled';
}

interface WireAsked extends Omit<Asked, 'content' | 'value' | 'text'> {
  content: WireContent;
}

/**
 * An agent that answers by a script. A request that no step fits is refused: kind `handler_failed`,
 * code `script_unmatched` or `script_used_up`, with a text that names what came and what is open.
 *
 * @example
 * const { startMesh } = await import('hubless/testing');
 * await using mesh = await startMesh();
 * const fake = await mesh.fake('weather', {
 *   steps: [{ when: { value: 'Oslo' }, answer: { value: 7 } }],
 * });
 * await assert.rejects(mesh.node.request('weather', 'Rome'), { code: 'script_unmatched' });
 * await assert.rejects(fake.verify(), { code: 'script_unmet' });
 */
export class FakePeer {
  /** Its name. */
  readonly name: string;
  /** Its public key as `did:key:…`. */
  readonly agentId: string;
  readonly #node: Node;
  readonly #handle: number;

  /** Made by the mesh. */
  constructor(node: Node, registered: Registered) {
    this.#node = node;
    this.#handle = registered.agent;
    this.name = registered.name;
    this.agentId = registered.agentId;
  }

  /**
   * Waits for `atLeast` requests (0) and gives the last 10,000 of them, oldest first; of more than
   * 64 MiB in all, the oldest are forgotten as well.
   */
  async asked(atLeast = 0): Promise<Asked[]> {
    const session = sessionOf(this.#node);
    const body = { agent: this.#handle, atLeast };
    const done = await session.runWhole<{ asked: WireAsked[] }>('testing.asked', body);
    return done.body.asked.map((one) => {
      const content = decodeContent(session, one.content, done.attachments);
      return { ...one, content, value: content.value, text: content.text };
    });
  }

  /** Says how many requests have come. */
  async count(): Promise<number> {
    const body = { agent: this.#handle, countOnly: true };
    return (await sessionOf(this.#node).run<{ count: number }>('testing.asked', body)).count;
  }

  /** Opens a gate for good: answers of steps with this `hold` go on. */
  async release(gate: string): Promise<void> {
    await sessionOf(this.#node).run('testing.release', { agent: this.#handle, gate });
  }

  /**
   * Checks that the whole script was asked for, and nothing else.
   *
   * @throws HublessError - kind `conflict`, code `script_unmet`
   */
  async verify(): Promise<void> {
    await sessionOf(this.#node).run('testing.verify', { agent: this.#handle });
  }

  /** Takes it out at once. */
  async unregister(): Promise<void> {
    await sessionOf(this.#node).run('unregister', { agent: this.#handle, graceMs: 0 });
  }
}

/**
 * Stands in for a real peer and writes down what passes, with chunks, progress and errors. Values
 * under names such as `password`, `token` and `apiKey` never get into the file, nor credentials of
 * requests; tools and questions pass through unrecorded, bytes of blobs are not looked into.
 *
 * @example
 * const { startMesh } = await import('hubless/testing');
 * await using mesh = await startMesh();
 * await mesh.node.agent({ name: 'greet' }, (name) => `hello ${name}`);
 * const recorder = await mesh.record('greet', { name: 'recorded' });
 * await mesh.node.request('recorded', 'Ada');
 * assert.equal(await recorder.save(`${mesh.home}/greet.json`), 1);
 * const again = await mesh.replay(`${mesh.home}/greet.json`, { name: 'again' });
 * assert.equal((await mesh.node.request('again', 'Ada')).text, 'hello Ada');
 * await again.verify();
 */
export class Recorder {
  /** Its name. */
  readonly name: string;
  /** Its public key as `did:key:…`. */
  readonly agentId: string;
  readonly #node: Node;
  readonly #handle: number;

  /** Made by the mesh. */
  constructor(node: Node, registered: Registered) {
    this.#node = node;
    this.#handle = registered.agent;
    this.name = registered.name;
    this.agentId = registered.agentId;
  }

  /**
   * Writes the recording, whole or not at all, and says how many requests are in it; those that
   * have not ended are not.
   *
   * @throws HublessError - kind `too_large` beyond 10,000 requests or 64 MiB; `configuration`, code
   *   `not_writable`
   */
  async save(path: string): Promise<number> {
    const body = { agent: this.#handle, path: resolve(path) };
    return (await sessionOf(this.#node).run<{ steps: number }>('testing.save', body)).steps;
  }

  /** Takes it out at once. */
  async unregister(): Promise<void> {
    await sessionOf(this.#node).run('unregister', { agent: this.#handle, graceMs: 0 });
  }
}

/**
 * A mesh of its own in a temporary home. Its nodes read no `HUBLESS_*` variable, bind loopback only
 * and meet nobody else; its end closes them and removes the home.
 *
 * @example
 * const { startMesh } = await import('hubless/testing');
 * const mesh: import('hubless/testing').TestMesh = await startMesh();
 * const other = await mesh.start();
 * await mesh.fake('weather', { otherwise: { answer: { value: 7 } } });
 * assert.equal((await other.request('weather')).value, 7);
 * await mesh.close();
 */
export class TestMesh {
  /** Folder of its nodes; files of a test may be put there. */
  readonly home: string;
  readonly #handle: number;
  readonly #nodes: Node[] = [];
  #closing: Promise<void> | undefined;

  /** Made by `startMesh`. */
  constructor(made: { mesh: number; home: string }) {
    this.#handle = made.mesh;
    this.home = made.home;
  }

  /** The node that was started first. */
  get node(): Node {
    const [first] = this.#nodes;
    if (!first) throw invalidArgument('testing', 'mesh', 'expected a mesh of startMesh()');
    return first;
  }

  /** Starts another node of this mesh. */
  async start(options: MeshNodeOptions = {}): Promise<Node> {
    const node = await Node.start({ ...options, testing: this.#handle } as NodeOptions);
    this.#nodes.push(node);
    return node;
  }

  /** Registers a fake peer; `script` may be the path of a JSON file. */
  async fake(name: string, script: Script | string, options: FakeOptions = {}): Promise<FakePeer> {
    const { node = this.node, skills, ...rest } = options;
    const read = typeof script === 'string' ? JSON.parse(await readFile(script, 'utf8')) : script;
    const described = skills?.map((skill) => (typeof skill === 'string' ? { id: skill } : skill));
    const body = { agent: { ...rest, name, skills: described }, script: read };
    return new FakePeer(node, await sessionOf(node).run<Registered>('testing.fake', body));
  }

  /**
   * Registers a fake peer that answers as recorded, under the recorded name or another one.
   * `strict`, as recorded: requests must come in the recorded order, each once; `loose`: in any
   * order and as often as wanted.
   *
   * @throws HublessError - kind `configuration`, code `bad_file` or `newer_format`
   */
  async replay(
    path: string,
    options: { name?: string; mode?: Script['mode']; node?: Node } = {},
  ): Promise<FakePeer> {
    const { node = this.node, name, mode } = options;
    const body = { path: resolve(path), mode, agent: name === undefined ? {} : { name } };
    return new FakePeer(node, await sessionOf(node).run<Registered>('testing.replay', body));
  }

  /**
   * Registers a recorder of the peer `to`; ask that one instead. `redact` are further names whose
   * values are kept out. A peer of another mesh is recorded at a `node` of that mesh.
   */
  async record(
    to: string,
    options: {
      name: string;
      redact?: readonly string[];
      auth?: { scheme?: string; secret: string };
      node?: Node;
    },
  ): Promise<Recorder> {
    const { node = this.node, name, redact, auth } = options;
    const credential = auth && { scheme: 'shared_secret', ...auth };
    const body = { to, agent: { name }, redact, auth: credential };
    return new Recorder(node, await sessionOf(node).run<Registered>('testing.record', body));
  }

  /** Closes its nodes without grace and removes its home; idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Closes it; for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    // From the last to the first, each also where the one before failed.
    const node = this.#nodes.pop();
    try {
      await node?.close({ graceMs: 0 });
    } finally {
      if (node) await this.#close();
      else ask('testing.drop', { mesh: this.#handle });
    }
  }
}

/**
 * Options of a node of a test mesh; where it lives and listens is the mesh's.
 *
 * @example
 * const { startMesh } = await import('hubless/testing');
 * const options: import('hubless/testing').MeshNodeOptions = { name: 'keeper' };
 * await using mesh = await startMesh();
 * assert.ok((await mesh.start(options)).home?.startsWith(mesh.home));
 */
export type MeshNodeOptions = Omit<NodeOptions, 'mesh' | 'home' | 'listen' | 'port' | 'memoryOnly'>;

/**
 * What a fake peer publishes, and where it is registered (the first node of the mesh).
 *
 * @example
 * const { startMesh } = await import('hubless/testing');
 * const options: import('hubless/testing').FakeOptions = { skills: ['forecast'], tags: ['sky'] };
 * await using mesh = await startMesh();
 * await mesh.fake('weather', {}, options);
 * assert.equal((await mesh.node.peer({ tags: ['sky'] })).name, 'weather');
 */
export interface FakeOptions {
  /** Ids of its skills, or skills as the contract has them. */
  skills?: readonly (string | object)[];
  /** What it is good for. */
  description?: string;
  /** Words to find it by. */
  tags?: readonly string[];
  /** What it enforces. */
  requirements?: object;
  /** The node that it is registered at. */
  node?: Node;
}

/**
 * Makes a mesh with one node. With the context of a test of `node:test` it is closed after that.
 *
 * @example
 * const { startMesh } = await import('hubless/testing');
 * const after: (() => unknown)[] = [];
 * const t = { after: (work: () => unknown) => after.push(work) };
 * const mesh = await startMesh(t);
 * assert.ok(mesh.node.home?.startsWith(mesh.home));
 * for (const work of after) await work();
 */
export async function startMesh(t?: {
  after(work: () => Promise<void>): unknown;
}): Promise<TestMesh> {
  const mesh = new TestMesh(ask<{ mesh: number; home: string }>('testing.mesh'));
  t?.after(() => mesh.close());
  try {
    await mesh.start();
  } catch (error) {
    await mesh.close();
    throw error;
  }
  return mesh;
}
