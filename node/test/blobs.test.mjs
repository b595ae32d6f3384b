/** Bytes: in memory, streamed there and back, dropped, failing. */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { blob } from 'hubless';
import { deferred, isError, startNode, until } from './support.mjs';

const PIECE = 100_000;
const pattern = (size) => Uint8Array.from({ length: size }, (_, i) => (i * 31 + 7) % 251);
const hash = (bytes) => createHash('sha256').update(bytes).digest('hex');

async function* inPieces(bytes) {
  for (let at = 0; at < bytes.length; at += PIECE) yield bytes.subarray(at, at + PIECE);
}

async function digesting(t) {
  const node = await startNode(t);
  await node.agent({ name: 'digest' }, async (_input, ctx) => {
    const [part] = ctx.content.blobs;
    const sum = createHash('sha256');
    let size = 0;
    for await (const bytes of part.reader()) {
      sum.update(bytes);
      size += bytes.length;
    }
    return { size, sha256: sum.digest('hex'), mediaType: part.mediaType, filename: part.filename };
  });
  await node.agent({ name: 'back' }, (_input, ctx) => {
    const [part] = ctx.content.blobs;
    return blob(part.reader(), { mediaType: part.mediaType });
  });
  return node;
}

for (const size of [0, 1, 65_536, 65_537, 1_048_576, 3_000_000]) {
  test(`${size} bytes in memory arrive whole and come back`, async (t) => {
    const node = await digesting(t);
    const bytes = pattern(size);
    const sent = blob(bytes, { mediaType: 'image/png', filename: 'p.png' });
    const { value } = await node.request('digest', sent);
    assert.deepEqual(value, {
      size,
      sha256: hash(bytes),
      mediaType: 'image/png',
      filename: 'p.png',
    });
    const [back] = (await node.request('back', sent)).content.blobs;
    assert.equal(hash(await back.bytes()), hash(bytes));
  });
}

const bytes = pattern(1_500_000);
const sources = {
  'an async generator': () => inPieces(bytes),
  'a Node.js stream': () => Readable.from(inPieces(bytes)),
  'a web stream': () => Readable.toWeb(Readable.from(inPieces(bytes))),
};
for (const [what, source] of Object.entries(sources)) {
  test(`bytes of ${what} are sent while they are produced`, async (t) => {
    const node = await digesting(t);
    const { value } = await node.request('digest', blob(source()));
    assert.deepEqual([value.size, value.sha256], [bytes.length, hash(bytes)]);
    const [back] = (await node.request('back', blob(source()))).content.blobs;
    assert.equal(back.streamed, true);
    assert.equal(hash(Buffer.from(await new Response(back.stream()).arrayBuffer())), hash(bytes));
  });
}

test('what is sent may be changed as soon as the request is made', async (t) => {
  const node = await digesting(t);
  const mine = pattern(200_000);
  const wanted = hash(mine);
  const request = node.request('digest', blob(mine));
  mine.fill(0);
  structuredClone(mine.buffer, { transfer: [mine.buffer] });
  assert.equal((await request).value.sha256, wanted);
});

test('a source that fails ends the call', async (t) => {
  const node = await digesting(t);
  async function* broken() {
    yield pattern(PIECE);
    throw new Error('the disk is gone');
  }
  await assert.rejects(
    node.request('digest', blob(broken())),
    (error) => error.kind !== 'deadline',
  );
});

test('a handler that does not read lets the source be closed', async (t) => {
  const node = await startNode(t);
  await node.agent({ name: 'ignores' }, () => 'ok');
  const closed = deferred();
  async function* endless() {
    try {
      for (;;) yield pattern(PIECE);
    } finally {
      closed.resolve();
    }
  }
  assert.equal((await node.request('ignores', blob(endless()))).value, 'ok');
  await closed.promise;
});

test('bytes are read once', async (t) => {
  const node = await digesting(t);
  const [back] = (await node.request('back', blob(inPieces(bytes)))).content.blobs;
  assert.equal((await back.bytes()).length, bytes.length);
  await assert.rejects(back.bytes(), isError({ kind: 'invalid_argument' }));
});

test('leaving the reader early drops the rest', async (t) => {
  const node = await startNode(t);
  const closed = deferred();
  await node.agent({ name: 'endless' }, () => {
    async function* endless() {
      try {
        for (;;) yield pattern(PIECE);
      } finally {
        closed.resolve();
      }
    }
    return blob(endless());
  });
  const [part] = (await node.request('endless')).content.blobs;
  let size = 0;
  for await (const piece of part.reader()) {
    size += piece.length;
    if (size > 300_000) break;
  }
  await closed.promise;
});

test('bytes that nobody reads are dropped by the garbage collector', {
  skip: !globalThis.gc && 'needs --expose-gc',
}, async (t) => {
  const node = await startNode(t);
  let closed = false;
  await node.agent({ name: 'endless' }, () => {
    async function* endless() {
      try {
        for (;;) yield pattern(PIECE);
      } finally {
        closed = true;
      }
    }
    return blob(endless());
  });
  await (async () => void (await node.request('endless')))();
  await until(
    () => {
      globalThis.gc();
      return closed;
    },
    'the bytes to be dropped',
    15_000,
  );
});
