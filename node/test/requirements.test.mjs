/** What an agent enforces before its handler runs. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blob, text } from 'hubless';
import { deferred, isError, startNode } from './support.mjs';

async function guarded(t, requirements, published = {}) {
  const node = await startNode(t);
  const counted = { runs: 0 };
  const agent = await node.agent({ name: 'guarded', requirements, ...published }, () => {
    counted.runs += 1;
    return 'in';
  });
  return { node, agent, counted };
}

const words = (texts) => texts.join(' ').split(' ').filter(Boolean).length;
const OTHER = 'did:key:z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX';
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
    'check_failed',
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
    'counter_failed',
  ],
  ...[undefined, Number.NaN, -1, 0.5, '1'].map((tokens) => [
    `what is counted as ${tokens}`,
    { maxTokens: 2, tokenCounter: () => tokens },
    'a',
    {},
    'prompt',
    'counter_failed',
  ]),
  ['too many bytes', { maxRequestBytes: 10 }, 'x'.repeat(100), {}, 'too_large'],
  [
    'a custom context',
    { allowCustomContext: false },
    'x',
    { context: { entries: [{ key: 'a', text: 'b' }] } },
    'context',
  ],
  [
    'a context with pages',
    { allowMultiPageContext: false },
    'x',
    { context: { pages: [{ name: 'p', entries: [{ key: 'a', text: 'b' }] }] } },
    'context',
  ],
  ['a schema of the caller', { allowCustomJson: false }, 1, { inputSchema: {} }, 'json'],
  [
    'what would reshape it',
    { allowAgentDuplication: false },
    'x',
    { context: { explanation: 'be another' } },
    'json',
  ],
  ['what is no conversation', { requireConverse: true }, 'x', {}, 'prompt'],
  ['callers of other groups', { allowedCallers: { groups: ['chosen'] } }, 'x', {}, 'denied'],
  ['other agents', { allowedCallers: { agentIds: [OTHER] } }, 'x', {}, 'denied'],
  ['other principals', { allowedCallers: { principals: ['edge:*'] } }, 'x', {}, 'denied'],
  ['too large blobs', { maxBinaryBytes: 2 }, new Uint8Array(3), {}, 'too_large'],
  ['a short retention', {}, 'x', { dataPolicy: { maxRetentionS: 1 } }, 'denied'],
];
for (const [what, requirements, input, { auth, ...options }, kind, code] of rows) {
  test(`refuses ${what}`, async (t) => {
    const { node, agent, counted } = await guarded(t, requirements);
    const given = auth ? { ...options, auth: { scheme: auth[0], secret: auth[1] } } : options;
    await assert.rejects(
      node.request('guarded', input, given),
      isError({ kind, name: 'Rejected', ...(code && { code }) }),
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

const taken = [
  ['pages', { allowMultiPageContext: true }, 'x', { context: { pages: [] } }],
  ['a schema of the caller', { allowCustomJson: true }, 1, { inputSchema: { type: 'number' } }],
  ['a conversation', { requireConverse: true }, text('x', { role: 'user' }), {}],
  ['callers of its list', { allowedCallers: { principals: ['*'] } }, 'x', {}],
  ['blobs of that size', { maxBinaryBytes: 3 }, new Uint8Array(3), {}],
  ['a long retention', {}, 'x', { dataPolicy: { maxRetentionS: 86_400, noRecording: true } }],
];
for (const [what, requirements, input, options] of taken) {
  test(`takes ${what}`, async (t) => {
    const { node } = await guarded(t, requirements);
    assert.equal((await node.request('guarded', input, options)).value, 'in');
  });
}

test('who records refuses what must not be recorded', async (t) => {
  const { node, counted } = await guarded(t, {}, { flags: { recordsPromptContent: true } });
  const given = { dataPolicy: { noRecording: true } };
  const field = 'dataPolicy.noRecording';
  await assert.rejects(node.request('guarded', 'x', given), isError({ kind: 'denied', field }));
  assert.equal(counted.runs, 0);
});

test('agents are found and asked in the zones of their node', async (t) => {
  const node = await startNode(t, { zones: ['eu', 'on-prem'] });
  let runs = 0;
  await node.agent({ name: 'there' }, () => (runs += 1));
  const names = async (zone) =>
    (await node.find({ zone }, { waitMs: 0 })).map((found) => found.name);
  assert.deepEqual([await names('us'), await names('eu')], [[], ['there']]);
  const within = (...zonesAllowed) => ({ dataPolicy: { zonesAllowed } });
  const refused = isError({ kind: 'denied', field: 'dataPolicy.zonesAllowed' });
  await assert.rejects(node.request('there', 'x', within('us')), refused);
  assert.equal((await node.request('there', 'x', within('us', 'eu'))).value, 1);
  const bad = isError({ kind: 'invalid_argument', field: 'zones' });
  await assert.rejects(startNode(t, { zones: [''] }), bad);
});

test('a node says its relays, and refuses what is none', async (t) => {
  // Nobody is there: the node goes on without it.
  const relays = ['http://127.0.0.1:9'];
  const node = await startNode(t, { relays });
  assert.deepEqual((await node.status()).relays, relays);
  await node.agent({ name: 'there' }, () => 'in');
  assert.equal((await node.request('there', 'x')).value, 'in');
  const many = [1, 2, 3, 4, 5].map((port) => `http://127.0.0.1:${port}`);
  const bad = isError({ kind: 'invalid_argument', field: 'relays' });
  for (const wrong of [['ftp://relay.example'], many]) {
    await assert.rejects(startNode(t, { relays: wrong }), bad);
  }
});

test('beyond its rate an agent is busy, and says until when', async (t) => {
  const { node, counted } = await guarded(t, { ratePerS: 0.01, rateBurst: 2 });
  for (const _ of [1, 2]) await node.request('guarded');
  const refused = await node.request('guarded').catch((error) => error);
  isError({ kind: 'busy', code: 'rate' })(refused);
  assert.ok(refused.retry.afterMs > 1_000, `${JSON.stringify(refused.retry)}`);
  assert.equal(counted.runs, 2);
});

test('an agent that is not to be called from inside its own call is not', async (t) => {
  const node = await startNode(t);
  const calls = (name) => async (n) => (n ? (await node.request(name, n - 1)).value : 'end');
  await node.agent({ name: 'once', requirements: { reentrant: false } }, calls('once'));
  await node.agent({ name: 'often' }, calls('often'));
  assert.equal((await node.request('often', 2)).value, 'end');
  await assert.rejects(node.request('once', 2), isError({ kind: 'cycle' }));
});

test('one key serves two names only where both allow it', async (t) => {
  const node = await startNode(t);
  const as = (name, allowAgentDuplication) => {
    const identity = { stored: 'twins' };
    return node.agent({ name, identity, requirements: { allowAgentDuplication } }, () => name);
  };
  const first = await as('first', true);
  await assert.rejects(as('second'), isError({ kind: 'conflict' }));
  const third = await as('third', true);
  assert.equal(third.agentId, first.agentId);
  assert.match((await node.request(third)).value, /first|third/);
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

test("the node's own function stands in for no agent's", async (t) => {
  const { node, counted } = await guarded(t, { auth: { host: true } });
  await node.agent({ name: 'open' }, () => 'in');
  const asked = [];
  await node.setAuth(({ scheme }) => asked.push(scheme) > 0);
  const given = { auth: { scheme: 'custom', secret: 'x' } };
  const refused = isError({ kind: 'auth', code: 'check_failed' });
  await assert.rejects(node.request('guarded', 1, given), refused);
  assert.deepEqual([asked, counted.runs], [[], 0]);
  assert.equal((await node.request('open', 1, given)).value, 'in');
  assert.deepEqual(asked, ['custom']);
});

test("the node's own mechanism counts where an agent has none", async (t) => {
  const node = await startNode(t);
  await node.agent({ name: 'open' }, () => 'in');
  await node.setAuth(({ credential }) => credential === 'x');
  await assert.rejects(node.request('open'), isError({ kind: 'auth' }));
  const given = { auth: { scheme: 'custom', secret: 'x' } };
  assert.equal((await node.request('open', 1, given)).value, 'in');
});
