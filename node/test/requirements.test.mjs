/** What an agent enforces before its handler runs. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blob } from 'hubless';
import { deferred, isError, startNode } from './support.mjs';

async function guarded(t, requirements) {
  const node = await startNode(t);
  const counted = { runs: 0 };
  const agent = await node.agent({ name: 'guarded', requirements }, () => {
    counted.runs += 1;
    return 'in';
  });
  return { node, agent, counted };
}

const words = (texts) => texts.join(' ').split(' ').filter(Boolean).length;
const rows = [
  [
    'a wrong secret',
    { auth: { sharedSecret: 'a' } },
    'x',
    { auth: ['shared_secret', 'b'] },
    'auth',
  ],
  ['no secret', { auth: { sharedSecret: 'a' } }, 'x', {}, 'auth'],
  ['an auth function that says no', { auth: () => false }, 'x', { auth: ['c', 'x'] }, 'auth'],
  [
    'an auth function that fails',
    { auth: () => Promise.reject(1) },
    'x',
    { auth: ['c', 'x'] },
    'auth',
  ],
  [
    'a content type',
    { acceptedContent: ['text'] },
    blob(Buffer.from('x'), { mediaType: 'image/png' }),
    {},
    'content',
  ],
  ['too many tokens', { maxTokens: 2 }, 'one two three four five', {}, 'prompt'],
  ['no tokens at all', { maxTokens: 0 }, 'one', {}, 'prompt'],
  ['own token count', { maxTokens: 2, tokenCounter: words }, 'one two three', {}, 'prompt'],
  [
    'a counter that fails',
    {
      maxTokens: 2,
      tokenCounter: () => {
        throw new Error('x');
      },
    },
    'a',
    {},
    'prompt',
  ],
  ['too many bytes', { maxRequestBytes: 10 }, 'x'.repeat(100), {}, 'too_large'],
  [
    'a custom context',
    { allowCustomContext: false },
    'x',
    { context: { entries: [{ key: 'a', text: 'b' }] } },
    'context',
  ],
];
for (const [what, requirements, input, { auth, ...options }, kind] of rows) {
  test(`refuses ${what}`, async (t) => {
    const { node, agent, counted } = await guarded(t, requirements);
    const given = auth ? { ...options, auth: { scheme: auth[0], secret: auth[1] } } : options;
    await assert.rejects(
      node.request('guarded', input, given),
      isError({ kind, name: 'Rejected' }),
    );
    const checked = await agent.check({ content: input, ...given });
    assert.equal(checked?.kind, kind);
    assert.equal(counted.runs, 0);
  });
}

test('lets in what fulfils the requirements', async (t) => {
  const questions = [];
  const auth = async (question) => {
    questions.push(question);
    return { allow: question.credential === 'letmein', cacheMs: 1000 };
  };
  const { node, agent } = await guarded(t, { auth, maxTokens: 3, tokenCounter: words });
  const given = { auth: { scheme: 'custom', secret: 'letmein' } };
  assert.equal((await node.request('guarded', 'one two', given)).value, 'in');
  assert.equal(await agent.check({ content: 'one two', ...given }), undefined);
  assert.deepEqual(
    [questions[0].scheme, questions[0].credential, questions[0].caller.kind],
    ['custom', 'letmein', 'local'],
  );
});

test('beyond its concurrency and queue an agent is busy', async (t) => {
  const node = await startNode(t);
  const go = deferred();
  const requirements = { maxConcurrency: 1, queue: 0 };
  await node.agent({ name: 'single', requirements }, () => go.promise);
  const first = node.request('single');
  const second = node.request('single');
  await assert.rejects(Promise.race([first, second]), isError({ kind: 'busy' }));
  go.resolve('done');
  const outcomes = await Promise.allSettled([first, second]);
  assert.deepEqual(outcomes.map((outcome) => outcome.status).sort(), ['fulfilled', 'rejected']);
});

test("the node's own mechanism counts where an agent has none", async (t) => {
  const node = await startNode(t);
  await node.agent({ name: 'open' }, () => 'in');
  await node.setAuth(({ credential }) => credential === 'x');
  await assert.rejects(node.request('open'), isError({ kind: 'auth' }));
  const given = { auth: { scheme: 'custom', secret: 'x' } };
  assert.equal((await node.request('open', 1, given)).value, 'in');
});
