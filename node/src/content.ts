/**
 * What a prompt or a result is made of, as values of the language.
 * Owns parts and their two conversions. Knows nothing of operations that carry them. Tested by
 * `test/content.test.mjs` and `test/blobs.test.mjs`.
 */

import { BodyReader, type ByteSource, collect, openBody, pumpBody } from './body.js';
import { invalidArgument } from './errors.js';
import type { Session } from './session.js';
import type { WireContent, WirePart } from './wire.js';

/**
 * Who says a part, where content is a dialogue.
 *
 * @example
 * const role: Role = 'system';
 * assert.equal(text('be brief', { role }).role, 'system');
 */
export type Role = 'user' | 'assistant' | 'system' | 'developer' | 'tool';

/**
 * What every part may carry.
 *
 * @example
 * const options: PartOptions = { role: 'user', metadata: { lang: 'en' } };
 * assert.deepEqual(text('hi', options).metadata, { lang: 'en' });
 */
export interface PartOptions {
  /** Marks the part as a turn of a conversation. */
  role?: Role;
  /** Further facts, carried as they are. */
  metadata?: Record<string, unknown>;
}

/**
 * Text.
 *
 * @example
 * const part: TextPart = text('hi');
 * assert.equal((await node.request('echo', part)).value, 'hi');
 */
export interface TextPart extends PartOptions {
  /** Tells the kinds of parts apart. */
  readonly type: 'text';
  /** The text. */
  readonly text: string;
}

/**
 * A JSON value.
 *
 * @example
 * const part: DataPart = data({ a: 1 });
 * assert.deepEqual((await node.request('echo', part)).value, { a: 1 });
 */
export interface DataPart extends PartOptions {
  /** Tells the kinds of parts apart. */
  readonly type: 'data';
  /** Any JSON value. */
  readonly data: unknown;
}

/**
 * A reference to bytes elsewhere; Hubless never fetches it.
 *
 * @example
 * const part: UriPart = uri('https://example.org/a.png', { mediaType: 'image/png' });
 * assert.equal((await node.request('echo', part)).content.parts[0]?.type, 'uri');
 */
export interface UriPart extends PartOptions {
  /** Tells the kinds of parts apart. */
  readonly type: 'uri';
  /** Where the bytes are. */
  readonly uri: string;
  /** What they are, if known. */
  readonly mediaType?: string;
  /** Digest of the bytes, if known. */
  readonly digest?: string;
  /** Size in bytes. */
  readonly size?: number;
}

/**
 * What describes a blob.
 *
 * @example
 * const options: BlobOptions = { mediaType: 'text/plain', filename: 'a.txt' };
 * assert.equal(blob(Buffer.from('abc'), options).size, 3);
 */
export interface BlobOptions extends PartOptions {
  /** What the bytes are; default `application/octet-stream`. */
  mediaType?: string;
  /** A name for people; never used as a path. */
  filename?: string;
  /** Size in bytes; known without asking where the bytes are in memory. */
  size?: number;
  /** SHA-256 of a streamed blob in hex, if known before; another digest is refused at the end. */
  sha256?: string;
}

/**
 * Bytes, in memory or streamed: one type, whichever way they travel.
 *
 * @example
 * const [part] = (await node.request('echo', blob(new Uint8Array(3)))).content.blobs;
 * assert.ok(part instanceof BlobPart && (await part.bytes()).length === 3);
 */
export class BlobPart implements PartOptions {
  readonly type = 'blob';
  /** What the bytes are. */
  readonly mediaType: string;
  /** A name for people; never use it as a path unchecked. */
  readonly filename: string | undefined;
  /** Size in bytes, where known. */
  readonly size: number | undefined;
  /** SHA-256 in hex, where it was told before; checked at the end of a streamed blob. */
  readonly sha256: string | undefined;
  /** Who says it, where content is a dialogue. */
  readonly role: Role | undefined;
  /** Further facts, carried as they are. */
  readonly metadata: Record<string, unknown> | undefined;
  readonly #source: Uint8Array | ByteSource;

  /** Use {@link blob}. */
  constructor(source: Uint8Array | ByteSource, options: BlobOptions) {
    this.#source = source;
    this.mediaType = options.mediaType ?? 'application/octet-stream';
    this.filename = options.filename;
    this.size = source instanceof Uint8Array ? source.byteLength : options.size;
    this.sha256 = options.sha256;
    this.role = options.role;
    this.metadata = options.metadata;
  }

  /** Whether the bytes are produced or arrive while they are read; they can then be read once. */
  get streamed(): boolean {
    return this.inMemory === undefined;
  }

  /** The bytes, where they are in memory already. */
  get inMemory(): Uint8Array | undefined {
    return this.#source instanceof Uint8Array ? this.#source : undefined;
  }

  /** Gives all bytes; refused above 64 MiB with kind `too_large`. */
  async bytes(): Promise<Uint8Array> {
    const source = this.#source;
    if (source instanceof Uint8Array) return source;
    return source instanceof BodyReader ? source.gather() : collect(source);
  }

  /** Yields the bytes as they come; leaving the loop early gives up the rest. */
  async *reader(): AsyncGenerator<Uint8Array, void, undefined> {
    if (this.#source instanceof Uint8Array) yield this.#source;
    else yield* this.#source;
  }

  /** The bytes as a web stream. */
  stream(): ReadableStream<Uint8Array> {
    const reader = this.reader();
    return new ReadableStream({
      async pull(controller) {
        const { value, done } = await reader.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      async cancel() {
        await reader.return();
      },
    });
  }
}

/**
 * One part of a content.
 *
 * @example
 * const parts: readonly Part[] = new Content(['a', uri('https://example.org')]).parts;
 * assert.deepEqual(parts.map((part) => part.type), ['text', 'uri']);
 */
export type Part = TextPart | DataPart | UriPart | BlobPart;

/**
 * A list of parts.
 *
 * @example
 * const content = new Content(['look at this: ', { a: 1 }, 'is it right?']);
 * assert.equal((await node.request('echo', content)).text, 'look at this: is it right?');
 */
export class Content {
  /** The parts, in order. */
  readonly parts: readonly Part[];
  /** Further facts, carried as they are. */
  readonly metadata: Record<string, unknown> | undefined;

  /** Makes a content of parts; a plain value stands for one text or data part. */
  constructor(parts: readonly unknown[], metadata?: Record<string, unknown>) {
    this.parts = parts.map(asPart);
    this.metadata = metadata;
  }

  /** The string of a single text part, the value of a single data part, else null. */
  get value(): unknown {
    const [part, ...more] = this.parts;
    if (!part || more.length > 0) return null;
    if (part.type === 'text') return part.text;
    return part.type === 'data' ? part.data : null;
  }

  /** All text parts joined. */
  get text(): string {
    return this.parts.map((part) => (part.type === 'text' ? part.text : '')).join('');
  }

  /** The blobs among the parts. */
  get blobs(): BlobPart[] {
    return this.parts.filter((part) => part.type === 'blob');
  }
}

/** The value of a content that is one text or data part, else the content itself. */
export function plain(content: Content): unknown {
  const [part, ...more] = content.parts;
  const simple = part && more.length === 0 && (part.type === 'text' || part.type === 'data');
  return simple ? content.value : content;
}

/**
 * Makes a text part.
 *
 * @example
 * assert.equal((await node.request('echo', text('hi', { role: 'user' }))).value, 'hi');
 */
export function text(value: string, options: PartOptions = {}): TextPart {
  return mark({ type: 'text', text: value, ...options });
}

/**
 * Makes a part of any JSON value.
 *
 * @example
 * assert.deepEqual((await node.request('echo', data([1, 2]))).value, [1, 2]);
 */
export function data(value: unknown, options: PartOptions = {}): DataPart {
  return mark({ type: 'data', data: value, ...options });
}

/**
 * Makes a part that names bytes elsewhere.
 *
 * @example
 * const { content } = await node.request('echo', [uri('https://example.org', { size: 9 })]);
 * assert.equal(content.parts[0]?.type, 'uri');
 */
export function uri(value: string, options: Omit<UriPart, 'type' | 'uri'> = {}): UriPart {
  return mark({ type: 'uri', uri: value, ...options });
}

/**
 * Makes a part of bytes: given whole, or produced while they are sent by an async generator, a
 * Node.js `Readable` or a web `ReadableStream`.
 *
 * @example
 * const file = blob(createReadStream('package.json'), { mediaType: 'application/json' });
 * const [back] = (await node.request('echo', file)).content.blobs;
 * assert.equal(back?.mediaType, 'application/json');
 */
export function blob(source: Uint8Array | ByteSource, options: BlobOptions = {}): BlobPart {
  return new BlobPart(source, options);
}

/** A content on its way into the core. */
export class Encoder {
  /** Byte strings that the body names by index. */
  readonly attachments: Uint8Array[] = [];
  readonly #streams: { part: { body: number }; source: BlobPart }[] = [];

  /** Converts whatever stands for a content: a content, a part, a list of parts, bytes, a value. */
  content(value: unknown): object {
    if (value instanceof Content) {
      return { parts: value.parts.map((part) => this.part(part)), metadata: value.metadata };
    }
    if (isPart(value)) return { parts: [this.part(value)] };
    if (value instanceof Uint8Array) return { parts: [this.part(blob(value))] };
    if (Array.isArray(value) && value.length > 0 && value.every(isPart)) {
      return { parts: value.map((part) => this.part(part)) };
    }
    return { value: value === undefined ? null : value };
  }

  /** Converts one part. */
  part(part: Part): object {
    const { role, metadata } = part;
    if (part.type === 'text') return { text: part.text, role, metadata };
    if (part.type === 'data') return { data: part.data ?? null, role, metadata };
    if (part.type === 'uri') {
      const { uri, mediaType, digest, size } = part;
      return { uri: { uri, mediaType, digest, size }, role, metadata };
    }
    return { ...this.#blob(part), role, metadata };
  }

  /**
   * Opens the bodies of streamed parts; wait for it before the operation is started. Undefined
   * where there are none: then the operation starts, and bytes are copied, before anybody else
   * gets a turn.
   */
  open(session: Session): Promise<void> | undefined {
    return this.#streams.length > 0 ? this.#open(session) : undefined;
  }

  /** Begins to write the bodies of streamed parts; call when the operation was started. */
  pump(session: Session): void {
    for (const { part, source } of this.#streams)
      void pumpBody(session, part.body, source.reader());
  }

  async #open(session: Session): Promise<void> {
    for (const { part, source } of this.#streams) part.body = await openBody(session, source.size);
  }

  #blob(part: BlobPart): object {
    const { mediaType, filename, size, sha256 } = part;
    const bytes = part.inMemory;
    if (bytes) {
      return { blob: { mediaType, filename, attachment: this.attachments.push(bytes) - 1 } };
    }
    const stream = { kind: 'blob', mediaType, filename, size, sha256, body: 0 };
    this.#streams.push({ part: stream, source: part });
    return { stream };
  }
}

/** Makes a content of what the core gave. */
export function decodeContent(
  session: Session,
  wire: WireContent,
  attachments: readonly Uint8Array[],
): Content {
  const parts = wire.parts.map((part) => decodePart(session, part, attachments));
  return new Content(parts, wire.metadata);
}

/** Makes a part of what the core gave. */
export function decodePart(
  session: Session,
  wire: WirePart,
  attachments: readonly Uint8Array[],
): Part {
  const options = { role: wire.role as Role | undefined, metadata: wire.metadata };
  // The text comes last: a piece of an answer has one beside whatever it is.
  if (wire.uri)
    return uri(wire.uri.uri, { ...wire.uri, ...options } as Omit<UriPart, 'type' | 'uri'>);
  if (wire.blob) {
    const { attachment, ...rest } = wire.blob;
    return blob(attachments[attachment] ?? new Uint8Array(), { ...rest, ...options });
  }
  if (wire.stream) {
    const { body, mediaType, filename, size, sha256 } = wire.stream;
    const about = { mediaType, filename, size, sha256, ...options };
    return blob(new BodyReader(session, body), about);
  }
  if (wire.data !== undefined || wire.text === undefined) return data(wire.data ?? null, options);
  return text(wire.text, options);
}

const PART = Symbol('part');

function mark<P extends TextPart | DataPart | UriPart>(part: P): P {
  for (const key of ['role', 'metadata'] as const) if (part[key] === undefined) delete part[key];
  return Object.defineProperty(part, PART, { value: true });
}

function isPart(value: unknown): value is Part {
  return (
    value instanceof BlobPart || (typeof value === 'object' && value !== null && PART in value)
  );
}

function asPart(value: unknown): Part {
  if (isPart(value)) return value;
  if (value instanceof Uint8Array) return blob(value);
  if (value instanceof Content) throw invalidArgument('content', 'parts', 'a content is no part');
  return typeof value === 'string' ? text(value) : data(value);
}
