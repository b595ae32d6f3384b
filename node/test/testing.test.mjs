/** Test meshes, fake peers and recordings. */

import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { Node } from 'hubless';
import { FakePeer, startMesh } from 'hubless/testing';
import { afterwards, isError, native, startNode } from './support.mjs';

test('a mesh meets nobody else and is removed at its end', async (t) => {
  const outside = await startNode(t);
  await outside.agent({ name: 'outside' }, () => 'outside');
  const mesh = await startMesh(t);
  const other = await mesh.start();
  assert.equal(mesh.node.meshId, other.meshId);
  assert.notEqual(outside.meshId, other.meshId);
  await mesh.fake('inside', { otherwise: { answer: { value: 1 } } });
  assert.equal((await other.request('inside')).value, 1);
  assert.equal((await outside.request('outside')).value, 'outside');
  await assert.rejects(other.request('outside'), isError({ kind: 'not_found' }));
  for (const address of (await other.status()).addresses) {
    assert.match(address, /^(127\.|\[::1\])/);
  }
  assert.ok(existsSync(mesh.home));
  await mesh.close();
  assert.ok(!existsSync(mesh.home));
  await mesh.close();
});

test('a node that cannot be closed leaves neither the home nor the other nodes', async () => {
  const mesh = await startMesh();
  const broken = await mesh.start();
  await mesh.start();
  const closed = [];
  const first = mesh.node;
  const close = { first: first.close.bind(first), broken: broken.close.bind(broken) };
  first.close = async (options) => {
    await close.first(options);
    closed.push('first');
  };
  broken.close = async (options) => {
    await close.broken(options);
    throw new Error('cannot be closed');
  };
  assert.ok(existsSync(mesh.home));
  await assert.rejects(mesh.close(), { message: 'cannot be closed' });
  assert.deepEqual(closed, ['first']);
  assert.ok(!existsSync(mesh.home));
});

test('the mesh of a test is closed after it', async (t) => {
  let home;
  await t.test('inner', async (inner) => {
    const mesh = await startMesh(inner);
    home = mesh.home;
    assert.ok(existsSync(home));
  });
  assert.ok(!existsSync(home));
});

test('its nodes read nothing of their surroundings', async (t) => {
  const mesh = await startMesh(t);
  const spans = join(mesh.home, 'spans.jsonl');
  const given = { HUBLESS_TRACE: spans, HUBLESS_LISTEN: 'nonsense' };
  Object.assign(process.env, given);
  afterwards(t, () => {
    for (const name of Object.keys(given)) delete process.env[name];
  });
  const other = await mesh.start();
  await mesh.fake('weather', { otherwise: { answer: { value: 1 } } });
  await other.request('weather');
  assert.ok(!existsSync(spans));
  await assert.rejects(Node.start({ memoryOnly: true }), isError({ field: 'listen' }));
});

test('a fake answers by its steps and names what does not fit', async (t) => {
  const { node, ...mesh } = await forecasts(t);
  assert.deepEqual((await node.request('weather', { city: 'Oslo' })).value, { tempC: 7 });
  let said = '';
  for await (const piece of node.stream('weather', 'anything')) {
    said += piece.text ?? '';
  }
  assert.match(said, /begin/);
  const unmet = { kind: 'conflict', code: 'script_unmet' };
  await assert.rejects(mesh.fake.verify(), isError(unmet));
  await assert.rejects(node.request('weather', 'x'), isError({ kind: 'denied' }));
  await mesh.fake.verify();
  await assert.rejects(node.request('weather', 'more'), (error) => {
    isError({ kind: 'handler_failed', code: 'script_used_up' })(error);
    assert.match(error.message, /value "more"; nothing is left of its script/);
    return true;
  });
  const asked = await mesh.fake.asked();
  assert.deepEqual(
    asked.map(({ value, step, ending }) => [value, step, ending]),
    [
      [{ city: 'Oslo' }, 0, 'answered'],
      ['anything', 1, 'answered'],
      ['x', 2, 'failed'],
      ['more', null, 'refused'],
    ],
  );
  assert.equal(asked[0].caller.kind, 'local');
  assert.equal(await mesh.fake.count(), 4);
});

async function forecasts(t) {
  const mesh = await startMesh(t);
  const steps = [
    { when: { contains: { city: 'Oslo' } }, answer: { value: { tempC: 7 } } },
    { events: [{ chunk: { value: 'be' } }, { chunk: { value: 'gin' } }] },
    { when: { value: 'x' }, error: { kind: 'denied', message: 'not you' } },
  ];
  const fake = await mesh.fake('weather', { steps }, { skills: ['forecast'], tags: ['sky'] });
  assert.ok(fake instanceof FakePeer);
  return { node: mesh.node, fake };
}

test('a held answer waits for its gate', async (t) => {
  const mesh = await startMesh(t);
  const fake = await mesh.fake('slow', { steps: [{ hold: 'door', answer: { value: 1 } }] });
  let over = false;
  const call = mesh.node.request('slow', 7).finally(() => {
    over = true;
  });
  const [asked] = await fake.asked(1);
  assert.deepEqual([asked.ending, over], ['open', false]);
  await assert.rejects(fake.release('window'), isError({ field: 'gate' }));
  await fake.release('door');
  assert.equal((await call).value, 1);
});

test('a recording is replayed without the peer', async (t) => {
  const mesh = await startMesh(t);
  const { node } = mesh;
  const real = await node.agent({ name: 'weather' }, ({ city }) => {
    if (city === 'Nowhere') throw new Error('no such city');
    return { city, apiKey: 'canary-key' };
  });
  const recorder = await mesh.record('weather', { name: 'recorded', redact: ['badge'] });
  const ask = async (to, city, secret) => {
    const { output, rejection } = await node.send({
      to,
      content: { city, password: secret, badge: secret },
    });
    return output?.value.city ?? rejection.code ?? rejection.kind;
  };
  const cities = ['Oslo', 'Nowhere'];
  const live = [];
  for (const city of cities) live.push(await ask('recorded', city, 'canary-word'));
  assert.deepEqual(live, ['Oslo', 'handler_failed']);
  const path = join(mesh.home, 'weather.json');
  assert.equal(await recorder.save(path), 2);
  await real.unregister();
  assert.ok(!readFileSync(path, 'utf8').includes('canary'));

  const again = await mesh.replay(path);
  for (const [n, city] of cities.entries()) {
    assert.equal(await ask('weather', city, 'other'), live[n]);
  }
  await again.verify();
  assert.equal(await ask('weather', 'Oslo', 'x'), 'script_used_up');
  await mesh.replay(path, { mode: 'loose', name: 'loose' });
  for (const city of ['Nowhere', 'Oslo', 'Oslo']) {
    assert.equal(await ask('loose', city, 'x'), live[cities.indexOf(city)]);
  }
});

test('a script is read from a file or refused with its place', async (t) => {
  const mesh = await startMesh(t);
  const path = join(mesh.home, 'script.json');
  writeFileSync(path, '{"steps": [{"answer": {"value": 1}}]}');
  await mesh.fake('one', path);
  assert.equal((await mesh.node.request('one')).value, 1);
  const wrong = { kind: 'invalid_argument', field: 'script.steps.0.answr' };
  await assert.rejects(mesh.fake('two', { steps: [{ answr: 1 }] }), isError(wrong));
  const missing = { kind: 'configuration', code: 'bad_file' };
  await assert.rejects(mesh.replay(join(mesh.home, 'none.json')), isError(missing));
});

test('CommonJS gets the same, and nothing native is left', async (t) => {
  const required = createRequire(import.meta.url)('hubless/testing');
  assert.equal(required.startMesh, startMesh);
  const before = native.handles();
  const mesh = await startMesh(t);
  assert.ok(native.handles() > before);
  await mesh.close();
  const until = performance.now() + 20_000;
  while (native.handles() > before && performance.now() < until) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(native.handles(), before);
});
