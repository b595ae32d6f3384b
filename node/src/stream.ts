/**
 * Streams of the core as async iterators: answers in pieces, and what is found or changes.
 * Owns stream handles. Tested by `test/stream.test.mjs`.
 */

import { decodePart, type Part } from './content.js';
import { HublessError } from './errors.js';
import { decodeReply, type Reply } from './reply.js';
import { type Session, throwIfAborted } from './session.js';
import type { WireStreamItem } from './wire.js';

/** How a stream is opened and read. */
export interface Source<Item> {
  /** The session it belongs to. */
  session: Session;
  /** What errors name. */
  operation: string;
  /** Opens it and gives its handle. */
  open: () => Promise<number>;
  /** Makes an item of what the core gave. */
  decode: (item: never, attachments: readonly Uint8Array[]) => Item;
  /** Ends it. */
  signal?: AbortSignal | undefined;
  /** Called once, when nothing more comes. */
  onEnd?: () => void;
}

interface Dropped {
  session: WeakRef<Session>;
  opened: Promise<number>;
}

const forgotten = new FinalizationRegistry<Dropped>(({ session, opened }) => {
  const drop = (stream: number) => session.deref()?.answer('stream.drop', { stream });
  opened.then(drop, () => {});
});

/**
 * What comes in pieces; leaving a loop over it early ends it on the other side as well.
 *
 * @example
 * const found: ItemStream<Peer> = node.discover('exchange rates', { tags: ['fx'] });
 * for await (const { name } of found) {
 *   assert.equal(name, 'rate');
 *   break;
 * }
 */
export class ItemStream<Item> implements AsyncIterableIterator<Item> {
  readonly #source: Source<Item>;
  readonly #opened: Promise<number>;
  readonly #abort = () => void this.#drop();
  #items: Item[] = [];
  #end = false;

  /** Made by the node, which opens it at once. */
  constructor(source: Source<Item>) {
    this.#source = source;
    this.#opened = this.#open();
    this.#opened.catch(() => this.#finish());
    forgotten.register(this, { session: new WeakRef(source.session), opened: this.#opened }, this);
    source.signal?.addEventListener('abort', this.#abort, { once: true });
  }

  /** Gives the next item; waits for it. */
  async next(): Promise<IteratorResult<Item, undefined>> {
    while (this.#items.length === 0) {
      const { operation, signal } = this.#source;
      if (signal?.aborted) throwIfAborted(operation, signal);
      if (this.#end) return { value: undefined, done: true };
      await this.#fetch();
    }
    return { value: this.#items.shift() as Item, done: false };
  }

  /** Ends the stream; what runs on the other side is cancelled. */
  async return(): Promise<IteratorResult<Item, undefined>> {
    await this.#drop();
    this.#items = [];
    return { value: undefined, done: true };
  }

  /** Gives itself: `for await` reads it. */
  [Symbol.asyncIterator](): this {
    return this;
  }

  async #open(): Promise<number> {
    throwIfAborted(this.#source.operation, this.#source.signal);
    return this.#source.open();
  }

  async #fetch(): Promise<void> {
    const { session, decode, signal } = this.#source;
    try {
      const stream = await this.#opened;
      const done = await session.runWhole<{ items: never[]; end: boolean }>('stream.next', {
        stream,
      });
      for (const item of done.body.items) this.#items.push(decode(item, done.attachments));
      if (done.body.end) this.#finish();
    } catch (error) {
      this.#finish();
      throwIfAborted(this.#source.operation, signal);
      throw error;
    }
  }

  async #drop(): Promise<void> {
    if (this.#end) return;
    this.#finish();
    const stream = await this.#opened.catch(() => undefined);
    if (stream !== undefined) this.#source.session.answer('stream.drop', { stream });
  }

  #finish(): void {
    if (this.#end) return;
    this.#end = true;
    forgotten.unregister(this);
    this.#source.signal?.removeEventListener('abort', this.#abort);
    this.#source.onEnd?.();
  }
}

/**
 * A piece of an answer.
 *
 * @example
 * const seen: Chunk[] = [];
 * for await (const chunk of node.stream('summarise', 'a text')) seen.push(chunk);
 * assert.deepEqual(seen.map((chunk) => chunk.text), ['one ', 'two']);
 */
export interface Chunk {
  /** The piece itself. */
  readonly part: Part;
  /** Its string or JSON value, else null. */
  readonly value: unknown;
  /** Its text, else empty. */
  readonly text: string;
  /** Whether it continues the part before it. */
  readonly append: boolean;
}

/**
 * Everything that can happen while a call runs; `final` comes last, exactly once.
 *
 * @example
 * const types: StreamEvent['type'][] = [];
 * for await (const { type } of node.stream('summarise', 'a text').events()) types.push(type);
 * assert.equal(types.at(-1), 'final');
 */
export type StreamEvent =
  | { readonly type: 'accepted' }
  | { readonly type: 'progress'; readonly note: string; readonly fraction?: number }
  | ({ readonly type: 'chunk' } & Chunk)
  | { readonly type: 'final'; readonly reply: Reply };

/**
 * A call whose answer comes in pieces. Iterating gives its chunks; `events` gives everything;
 * `reply` the whole answer. It can be read once. A failure is thrown where it is read.
 *
 * @example
 * const stream: CallStream = node.stream('summarise', 'a text');
 * let text = '';
 * for await (const chunk of stream) text += chunk.text;
 * assert.equal(text, 'one two');
 * assert.equal((await stream.reply()).agent.name, 'summarise');
 */
export class CallStream implements AsyncIterable<Chunk> {
  readonly #items: ItemStream<StreamEvent>;
  #reply: Reply | undefined;

  /** Made by the node. */
  constructor(source: Omit<Source<StreamEvent>, 'decode'>) {
    const { session } = source;
    const decode = (item: WireStreamItem, sent: readonly Uint8Array[]) =>
      decodeItem(session, item, sent);
    this.#items = new ItemStream({ ...source, decode });
  }

  /** Gives everything as it happens. */
  async *events(): AsyncGenerator<StreamEvent, void, undefined> {
    for await (const event of this.#items) {
      if (event.type === 'final') this.#reply = event.reply;
      yield event;
    }
  }

  /** Gives the chunks. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Chunk, void, undefined> {
    for await (const event of this.events()) if (event.type === 'chunk') yield event;
  }

  /** Waits for the whole answer; what was not read yet is skipped. */
  async reply(): Promise<Reply> {
    while (!this.#reply) {
      const { value, done } = await this.#items.next();
      if (done) throw endedEarly();
      if (value.type === 'final') this.#reply = value.reply;
    }
    return this.#reply;
  }

  /** Gives the call up. */
  async cancel(): Promise<void> {
    await this.#items.return();
  }
}

function decodeItem(
  session: Session,
  item: WireStreamItem,
  attachments: readonly Uint8Array[],
): StreamEvent {
  if (item.progress) return { type: 'progress', ...item.progress };
  if (item.chunk) {
    const { part: wire, append } = item.chunk;
    const part = decodePart(session, wire, attachments);
    return { type: 'chunk', part, value: wire.value ?? null, text: wire.text ?? '', append };
  }
  if (item.final) return { type: 'final', reply: decodeReply(session, item.final, attachments) };
  return { type: 'accepted' };
}

function endedEarly(): HublessError {
  return new HublessError({
    kind: 'cancelled',
    operation: 'stream',
    message: 'the stream ended before its answer',
  });
}
