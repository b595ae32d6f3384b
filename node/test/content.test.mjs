/** Parts and contents as values. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blob, Content, data, text, uri } from 'hubless';
import contents from '../dist/content.js';

function encoded(value) {
  const encoder = new contents.Encoder();
  return [JSON.parse(JSON.stringify(encoder.content(value))), encoder.attachments.length];
}

const rows = [
  ['a string', 'x', { value: 'x' }, 0],
  ['nothing', undefined, { value: null }, 0],
  ['an object', { a: 1 }, { value: { a: 1 } }, 0],
  ['a list of values', [1, 2], { value: [1, 2] }, 0],
  ['an empty list', [], { value: [] }, 0],
  ['a part', text('x', { role: 'user' }), { parts: [{ text: 'x', role: 'user' }] }, 0],
  ['parts', [text('x'), data(null)], { parts: [{ text: 'x' }, { data: null }] }, 0],
  ['an address', uri('https://a.b'), { parts: [{ uri: { uri: 'https://a.b' } }] }, 0],
  [
    'bytes',
    new Uint8Array(3),
    { parts: [{ blob: { mediaType: 'application/octet-stream', attachment: 0 } }] },
    1,
  ],
  [
    'two blobs',
    new Content([blob(new Uint8Array(1), { filename: 'a' }), blob(new Uint8Array(2))], { m: 1 }),
    {
      parts: [
        { blob: { mediaType: 'application/octet-stream', filename: 'a', attachment: 0 } },
        { blob: { mediaType: 'application/octet-stream', attachment: 1 } },
      ],
      metadata: { m: 1 },
    },
    2,
  ],
];
for (const [what, value, wanted, attachments] of rows) {
  test(`encodes ${what}`, () => assert.deepEqual(encoded(value), [wanted, attachments]));
}

test('an object that looks like a part is a value', () => {
  assert.deepEqual(encoded({ type: 'text', text: 'x' })[0], { value: { type: 'text', text: 'x' } });
});

test('gives value and text as the core does', () => {
  assert.equal(new Content(['a']).value, 'a');
  assert.deepEqual(new Content([{ a: 1 }]).value, { a: 1 });
  assert.equal(new Content(['a', 'b']).value, null);
  assert.equal(new Content(['a', { x: 1 }, 'b']).text, 'ab');
  assert.equal(new Content([new Uint8Array(1)]).value, null);
});

test('a blob in memory can be read as often as one likes', async () => {
  const part = blob(Buffer.from('abc'), { mediaType: 'text/plain' });
  assert.equal(part.streamed, false);
  assert.equal(part.size, 3);
  assert.equal(Buffer.from(await part.bytes()).toString(), 'abc');
  assert.equal(await new Response(part.stream()).text(), 'abc');
  assert.equal(await new Response(part.stream()).text(), 'abc');
});

test('a produced blob can be collected', async () => {
  async function* produce() {
    yield Buffer.from('ab');
    yield Buffer.from('c');
  }
  assert.equal(Buffer.from(await blob(produce()).bytes()).toString(), 'abc');
});
