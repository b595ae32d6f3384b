/**
 * Streamed bytes: reading a part that arrives in frames, writing one while it is produced.
 * Owns body handles. Knows nothing of parts. Tested by `test/blobs.test.mjs`.
 */

import { HublessError, invalidArgument, messageOf } from './errors.js';
import type { Session } from './session.js';

/**
 * Anything that yields bytes: an async generator, a Node.js `Readable`, a web `ReadableStream`.
 *
 * @example
 * const source: ByteSource = [new Uint8Array([1]), new Uint8Array([2, 3])];
 * assert.equal((await blob(source).bytes()).length, 3);
 */
export type ByteSource = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** Largest blob that is gathered in memory, in bytes. */
export const GATHER_BYTES_MAX = 64 * 1024 * 1024;

interface Unread {
  session: WeakRef<Session>;
  body: number;
}

const unread = new FinalizationRegistry<Unread>(({ session, body }) => {
  session.deref()?.answer('body.drop', { body });
});

/** A part whose bytes follow on the call's own stream; read once, or dropped. */
export class BodyReader implements AsyncIterable<Uint8Array> {
  readonly #session: Session;
  readonly #body: number;
  #taken = false;

  /** Takes over the body handle. */
  constructor(session: Session, body: number) {
    this.#session = session;
    this.#body = body;
    unread.register(this, { session: new WeakRef(session), body }, this);
  }

  /** Reads everything; refused above 64 MiB (`too_large`). */
  async gather(): Promise<Uint8Array> {
    this.#take();
    const { attachments } = await this.#session.runWhole('body.gather', { body: this.#body });
    return attachments[0] ?? new Uint8Array();
  }

  /** Yields the bytes as they arrive; ending early drops the rest. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    this.#take();
    let finished = false;
    try {
      for (;;) {
        const { body, attachments } = await this.#session.runWhole<{ end?: boolean }>('body.read', {
          body: this.#body,
        });
        if (body.end) break;
        if (attachments[0]) yield attachments[0];
      }
      finished = true;
    } finally {
      if (!finished) this.#session.answer('body.drop', { body: this.#body });
    }
  }

  #take(): void {
    if (this.#taken) throw invalidArgument('body.read', 'reader', 'these bytes were read already');
    this.#taken = true;
    unread.unregister(this);
  }
}

/** Opens a body to be written; the number goes into a `stream` part. */
export async function openBody(session: Session, size: number | undefined): Promise<number> {
  return (await session.run<{ body: number }>('body.open', { size })).body;
}

/**
 * Writes everything that `source` yields; done when the reader has taken it or is gone. A source
 * that throws fails the body; a body that nobody reads any more closes the source.
 */
export async function pumpBody(session: Session, body: number, source: ByteSource): Promise<void> {
  try {
    for await (const chunk of source) {
      const written = session.run('body.write', { body, attachment: 0 }, [asBytes(chunk)]);
      const refused = await written.then(
        () => false,
        () => true,
      );
      if (refused) return;
    }
    session.answer('body.end', { body });
  } catch (error) {
    session.answer('body.fail', { body, message: messageOf(error) });
  }
}

/** Collects a source in memory, up to 64 MiB. */
export async function collect(source: ByteSource): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of source) {
    const bytes = asBytes(chunk);
    size += bytes.byteLength;
    if (size > GATHER_BYTES_MAX) {
      const limit = { name: 'gather_bytes_max', value: GATHER_BYTES_MAX };
      const message = `more than ${GATHER_BYTES_MAX} bytes to gather`;
      throw new HublessError({ kind: 'too_large', operation: 'bytes', message, limit });
    }
    chunks.push(bytes);
  }
  return Buffer.concat(chunks, size);
}

function asBytes(chunk: unknown): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk;
  if (typeof chunk === 'string') return Buffer.from(chunk);
  throw invalidArgument('body.write', 'chunk', 'expected a Uint8Array from the source of a blob');
}
