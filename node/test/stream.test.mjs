/** Answers in pieces. */

import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { blob, Content, data, text } from 'hubless';
import { deferred, isError, startNode, until } from './support.mjs';

async function counting(t) {
  const node = await startNode(t);
  const seen = { produced: 0, closed: deferred() };
  await node.agent({ name: 'count' }, async function* ({ n }, ctx) {
    try {
      for (let i = 1; i <= n; i++) {
        seen.produced = i;
        yield String(i);
        if (i === 2) await ctx.progress('two', 0.5);
      }
      return { n };
    } finally {
      seen.closed.resolve();
    }
  });
  return { node, seen };
}

test('iterating gives the chunks in order', async (t) => {
  const { node } = await counting(t);
  const texts = [];
  for await (const chunk of node.stream('count', { n: 200 })) texts.push(chunk.text);
  assert.deepEqual(
    texts,
    Array.from({ length: 200 }, (_, i) => String(i + 1)),
  );
});

test('what is yielded as several parts comes as several pieces', async (t) => {
  const node = await startNode(t);
  await node.agent({ name: 'parts' }, async function* () {
    const bytes = blob(Readable.from([Buffer.from('abc')]), { mediaType: 'a/b' });
    yield new Content([text('one'), data({ n: 2 }), bytes, text('four')]);
    yield [text('five'), text('six')];
  });
  const chunks = [];
  for await (const chunk of node.stream('parts')) chunks.push(chunk);
  assert.deepEqual(
    chunks.map(({ part, append }) => [part.type, append]),
    [
      ['text', true],
      ['data', false],
      ['blob', false],
      ['text', false],
      ['text', true],
      ['text', false],
    ],
  );
  assert.equal(Buffer.from(await chunks[2].part.bytes()).toString(), 'abc');
  const { content } = await node.request('parts');
  assert.deepEqual(
    content.parts.map((part) => part.text ?? part.type),
    ['one', 'data', 'blob', 'fourfive', 'six'],
  );
});

test('a piece without parts, or with metadata of its own, fails the call', async (t) => {
  const node = await startNode(t);
  const pieces = [new Content([]), new Content(['x'], { of: 'all' })];
  await node.agent({ name: 'odd' }, async function* (n) {
    yield pieces[n];
  });
  const refused = { kind: 'invalid_argument' };
  await assert.rejects(node.request('odd', 0), isError({ ...refused, field: 'content' }));
  await assert.rejects(node.request('odd', 1), isError({ ...refused, field: 'metadata' }));
});

test('events gives everything, the final last', async (t) => {
  const { node } = await counting(t);
  const events = [];
  for await (const event of node.stream('count', { n: 3 }).events()) events.push(event);
  const types = events.map((event) => event.type).filter((type) => type !== 'accepted');
  assert.deepEqual(types, ['chunk', 'chunk', 'progress', 'chunk', 'final']);
  const { reply } = events.at(-1);
  assert.deepEqual(reply.value, { n: 3 });
  assert.deepEqual(events.find((event) => event.type === 'progress').note, 'two');
});

test('reply skips to the whole answer, also after reading', async (t) => {
  const { node } = await counting(t);
  assert.deepEqual((await node.stream('count', { n: 3 }).reply()).value, { n: 3 });
  const stream = node.stream('count', { n: 3 });
  for await (const _ of stream);
  assert.deepEqual((await stream.reply()).value, { n: 3 });
});

test('leaving the loop stops the generator', async (t) => {
  const { node, seen } = await counting(t);
  for await (const chunk of node.stream('count', { n: 1_000_000 })) if (chunk.text === '3') break;
  await seen.closed.promise;
  assert.ok(seen.produced < 5000, `produced ${seen.produced}`);
});

test('a reader that waits holds the generator back', async (t) => {
  const { node, seen } = await counting(t);
  const stream = node.stream('count', { n: 100_000 });
  const events = stream.events();
  await events.next();
  let before = -1;
  await until(async () => {
    const still = before === seen.produced;
    before = seen.produced;
    await new Promise((resolve) => setTimeout(resolve, 50));
    return still;
  }, 'the generator to pause');
  assert.ok(seen.produced < 2000, `produced ${seen.produced}`);
  await stream.cancel();
  await seen.closed.promise;
});

test('a signal ends the stream on both sides', async (t) => {
  const { node, seen } = await counting(t);
  const controller = new AbortController();
  const read = async () => {
    for await (const chunk of node.stream('count', { n: 1e6 }, { signal: controller.signal })) {
      if (chunk.text === '2') controller.abort();
    }
  };
  await assert.rejects(read, isError({ kind: 'cancelled' }));
  await seen.closed.promise;
});

test('failures are thrown where the stream is read', async (t) => {
  const { node } = await counting(t);
  await node.agent({ name: 'breaks' }, async function* () {
    yield 'a';
    throw new Error('in the middle');
  });
  const texts = [];
  const read = async () => {
    for await (const chunk of node.stream('breaks')) texts.push(chunk.text);
  };
  await assert.rejects(read, isError({ kind: 'handler_failed' }));
  assert.deepEqual(texts, ['a']);
  const missing = node.stream('nobody', 1, { waitMs: 10 });
  await assert.rejects(missing.reply(), isError({ kind: 'not_found' }));
});

test('a stream that nobody reads is dropped by the garbage collector', {
  skip: !globalThis.gc && 'needs --expose-gc',
}, async (t) => {
  const { node, seen } = await counting(t);
  (() => node.stream('count', { n: 1e6 }))();
  await until(() => seen.produced > 0, 'the generator to start');
  await until(
    () => {
      globalThis.gc();
      return Promise.race([
        seen.closed.promise.then(() => true),
        new Promise((r) => setTimeout(r, 20, false)),
      ]);
    },
    'the stream to be dropped',
    60_000,
  );
});
