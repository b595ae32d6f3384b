/** Texts that are no Unicode, or hold a NUL: refused by name or carried, never lost. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HublessError, text } from 'hubless';
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

async function echoing(t) {
  const node = await startNode(t);
  await node.agent({ name: 'echo' }, (input) => input);
  return node;
}

for (const [place, use] of Object.entries(places)) {
  test(`half a pair in ${place} is refused, and nothing is lost`, async (t) => {
    const node = await echoing(t);
    await assert.rejects(use(node, 'half \ud83d'), HublessError);
    await assert.rejects(use(node, '\udc00 half'), isError({ kind: 'invalid_argument' }));
    assert.equal((await node.request('echo', 'still here')).value, 'still here');
  });

  test(`a NUL in ${place} is refused with a type or carried`, async (t) => {
    const node = await echoing(t);
    const outcome = await use(node, 'a\0b').catch((error) => error);
    if (outcome instanceof Error) assert.ok(outcome instanceof HublessError, `${outcome}`);
    assert.equal((await node.request('echo', 'still here')).value, 'still here');
  });
}

test('whole pairs and NULs arrive as they were sent', async (t) => {
  const node = await echoing(t);
  for (const whole of ['a\0b', '\u{1f600}', '\0', '\u{10ffff}\ufffd', '\\ud83d', '\\\\udc00']) {
    assert.equal((await node.request('echo', whole)).value, whole);
    assert.deepEqual((await node.request('echo', { [whole]: whole })).value, { [whole]: whole });
  }
});
