/** Texts that are no Unicode or hold a NUL, numbers that are none: refused or carried. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Content, data, text } from 'hubless';
import { isError, startNode } from './support.mjs';

/** Every place where a text goes in. */
const places = {
  content: (node, odd) => node.request('echo', odd),
  'a text part': (node, odd) => node.request('echo', text(odd)),
  'a key of the content': (node, odd) => node.request('echo', { [odd]: 1 }),
  'a target': (node, odd) => node.request(odd, 1, { waitMs: 0 }),
  'a skill': (node, odd) => node.request('echo', 1, { skill: odd }),
  'a conversation': (node, odd) => node.request('echo', 1, { conversationId: odd }),
  'a key of repetition': (node, odd) => node.request('echo', 1, { idempotencyKey: odd }),
  'a key of metadata': (node, odd) => node.request('echo', 1, { metadata: { [odd]: odd } }),
  'a secret': (node, odd) => node.request('echo', 1, { auth: { scheme: 'x', secret: odd } }),
  'a query': (node, odd) => node.find(odd, { waitMs: 0 }),
  'the name of an agent': (node, odd) => node.agent({ name: odd }, () => 1),
  'a description': (node, odd) => node.agent({ name: 'told', description: odd }, () => 1),
  'a template': (node, odd) => node.templates.set(odd, {}),
  'a target of credentials': (node, odd) => node.credentials.set(odd, 'x'),
  'a pin': (node, odd) => node.pins.set(odd, odd),
  'a ticket': (node, odd) => node.constructor.join(odd, { home: node.testHome }),
};

/** The field that the error of each place names. */
const fields = {
  content: 'content',
  'a text part': 'content',
  'a key of the content': 'content',
  'a target': 'to',
  'a skill': 'skill',
  'a conversation': 'conversationId',
  'a key of repetition': 'idempotencyKey',
  'a key of metadata': 'metadata',
  'a secret': 'auth',
  'a query': 'query',
  'the name of an agent': 'name',
  'a description': 'description',
  'a template': 'name',
  'a target of credentials': 'target',
  'a pin': 'name',
  'a ticket': 'ticket',
};

/** The field that the refusal of a NUL names; places that are not here take one. */
const nuls = {
  'a target': 'to',
  'a skill': 'skill',
  'a conversation': 'conversationId',
  'a key of repetition': 'idempotencyKey',
  'a key of metadata': 'metadata',
  'a secret': 'auth.secret',
  'the name of an agent': 'name',
  'a template': 'name',
  'a target of credentials': 'target',
  'a pin': 'agentId',
  'a ticket': 'ticket',
};

async function echoing(t) {
  const node = await startNode(t);
  await node.agent({ name: 'echo' }, (input) => input);
  return node;
}

for (const [place, use] of Object.entries(places)) {
  test(`half a pair in ${place} is refused, and nothing is lost`, async (t) => {
    const node = await echoing(t);
    const refused = isError({ kind: 'invalid_argument', field: fields[place] });
    for (const half of ['half \ud83d', '\udc00 half']) {
      await assert.rejects(use(node, half), refused);
    }
    assert.equal((await node.request('echo', 'still here')).value, 'still here');
  });

  const field = nuls[place];
  test(`a NUL in ${place} is ${field ? 'refused with its field' : 'taken'}`, async (t) => {
    const node = await echoing(t);
    const used = use(node, 'a\0b');
    if (field) await assert.rejects(used, isError({ kind: 'invalid_argument', field }));
    else await used;
    assert.equal((await node.request('echo', 'still here')).value, 'still here');
  });
}

test('a NUL is left out of what is shown to people, and no part of a secret', async (t) => {
  const node = await startNode(t);
  const odd = 'a\0b';
  const agent = await node.agent(
    { name: 'shows', title: odd, description: odd },
    async (_, ctx) => {
      await ctx.progress(odd);
      throw new Error(odd);
    },
  );
  const { title, description } = (await node.describe('shows')).descriptor;
  assert.deepEqual([title, description], ['ab', 'ab']);
  const notes = [];
  const read = async () => {
    for await (const event of node.stream('shows', 1).events()) {
      if (event.type === 'progress') notes.push(event.note);
    }
  };
  await assert.rejects(read(), isError({ kind: 'handler_failed', message: 'ab' }));
  assert.deepEqual(notes, ['ab']);
  const refused = (field) => isError({ kind: 'invalid_argument', code: 'bad_text', field });
  await assert.rejects(node.credentials.set(agent.agentId, odd), refused('secret'));
  const guarded = { name: 'vault', requirements: { auth: { sharedSecret: odd } } };
  await assert.rejects(
    node.agent(guarded, () => 1),
    refused('auth.sharedSecret'),
  );
});

test('whole pairs and NULs arrive as they were sent', async (t) => {
  const node = await echoing(t);
  for (const whole of ['a\0b', '\u{1f600}', '\0', '\u{10ffff}\ufffd', '\\ud83d', '\\\\udc00']) {
    assert.equal((await node.request('echo', whole)).value, whole);
    assert.deepEqual((await node.request('echo', { [whole]: whole })).value, { [whole]: whole });
  }
});

test('a huge text is refused with its bound, and one at the bound arrives', async (t) => {
  const node = await startNode(t);
  await node.agent({ name: 'size' }, (input) => input.length);
  const bound = 64 << 20;
  assert.equal((await node.request('size', 'x'.repeat(bound - 1024))).value, bound - 1024);
  const limit = { name: 'REQUEST_BYTES', value: bound };
  const refused = isError({ kind: 'too_large', limit });
  await assert.rejects(node.request('size', 'x'.repeat(bound + 1)), refused);
  assert.equal((await node.request('size', 'still here')).value, 10);
});

/** Every place where JSON goes in, with the field that the error names. */
const numbers = [
  ['content', (node, odd) => node.request('echo', odd)],
  ['content', (node, odd) => node.request('echo', { deep: [null, { odd }] })],
  ['content', (node, odd) => node.request('echo', data([odd]))],
  ['content', (node, odd) => node.request('echo', new Float64Array([odd]))],
  ['content', (node, odd) => node.request('echo', new Content(['x'], { odd }))],
  ['metadata', (node, odd) => node.request('echo', 1, { metadata: { odd } })],
  ['extensions', (node, odd) => node.request('echo', 1, { extensions: { odd } })],
  ['timeoutMs', (node, odd) => node.request('echo', 1, { timeoutMs: odd })],
  ['query', (node, odd) => node.find({ limit: odd }, { waitMs: 0 })],
  ['skills', (node, odd) => node.agent({ name: 'x', attributes: { odd } }, () => 1)],
  [
    'requirements',
    (node, odd) => node.agent({ name: 'x', requirements: { maxTokens: odd } }, () => 1),
  ],
  ['template', (node, odd) => node.templates.set('x', { metadata: { odd } })],
];
for (const [row, [field, use]] of numbers.entries()) {
  test(`a number that is none is refused as ${field} (row ${row})`, async (t) => {
    const node = await echoing(t);
    for (const odd of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const refused = (error) => {
        assert.match(error.message, /finite number, got .*: send null or a text/);
        return isError({ kind: 'invalid_argument', field })(error);
      };
      await assert.rejects(use(node, odd), refused);
    }
    assert.equal((await node.request('echo', null)).value, null);
  });
}

test('an answer that holds a number that is none fails the call', async (t) => {
  const node = await startNode(t);
  await node.agent({ name: 'odd' }, () => ({ odd: Number.NaN }));
  await assert.rejects(node.request('odd'), (error) => {
    assert.match(error.message, /the answer is wrong: .*finite number, got NaN/);
    return isError({ kind: 'handler_failed' })(error);
  });
});
