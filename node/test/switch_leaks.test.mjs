/** What a switch leaves behind: nothing, however it goes. */

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { KillSwitch } from 'hubless';
import { afterwards, freshHome, isError, native, run, startNode, until } from './support.mjs';

const descriptors = () => readdirSync('/proc/self/fd').length;
const threads = () => readdirSync('/proc/self/task').length;

/** Lets the event loop turn with nothing reachable left, until all handles are gone. */
async function collected() {
  const gone = () => {
    globalThis.gc();
    return native.handles() === 0;
  };
  await until(gone, 'native handles to be collected');
}

test('a switch that is closed leaves nothing, also with listeners, and stays closed', async () => {
  const before = native.handles();
  const killSwitch = new KillSwitch({ calls: 5 });
  killSwitch.onTripped(() => {});
  killSwitch.onTripped(() => {});
  assert.equal(native.handles(), before + 2);
  killSwitch.close();
  killSwitch.close();
  await until(() => native.handles() === before, 'the switch and its session to be gone');
  for (const use of [() => killSwitch.state, () => killSwitch.trip(), () => killSwitch.tree()]) {
    assert.throws(use, isError({ kind: 'closed' }));
  }
  assert.throws(() => killSwitch.onTripped(() => {}), isError({ kind: 'closed' }));
});

test('a switch that is disposed of is closed', async () => {
  const killSwitch = new KillSwitch({ calls: 5 });
  killSwitch[Symbol.dispose]();
  assert.throws(() => killSwitch.spent, isError({ kind: 'closed' }));
  assert.equal(native.handles(), 0);
});

test('a switch that was tripped keeps no session for its listeners', async () => {
  const killSwitch = new KillSwitch({ calls: 5 });
  let told = 0;
  killSwitch.onTripped(() => {
    told += 1;
  });
  assert.equal(native.handles(), 2);
  killSwitch.trip();
  await until(() => native.handles() === 1, 'the session to be gone');
  assert.equal(told, 1);
  killSwitch.close();
  assert.equal(native.handles(), 0);
});

test('switches that nobody has any more leave nothing, whatever their listeners name', async () => {
  const make = () => {
    const killSwitch = new KillSwitch({ calls: 5 });
    killSwitch.onTripped(() => killSwitch.spent);
    killSwitch.run(() => killSwitch.onTripped(() => killSwitch.state));
  };
  make();
  await collected();
  const before = [descriptors(), threads()];
  for (let n = 0; n < 200; n++) make();
  assert.ok(native.handles() > 200, `only ${native.handles()} handles were seen`);
  await collected();
  assert.deepEqual([descriptors(), threads()], before);
});

test('a switch that nobody has any more is kept by the request under it', async (t) => {
  const node = await startNode(t);
  await node.agent({ name: 'waits' }, () => new Promise(() => {}));
  const reasons = [];
  const ask = () => {
    const killSwitch = new KillSwitch({ wallTimeMs: 300 });
    killSwitch.onTripped(({ reason }) => reasons.push(reason));
    return node.request('waits', 1, { killSwitch });
  };
  const request = assert.rejects(ask(), isError({ kind: 'killed', code: 'wall_time' }));
  await new Promise((resolve) => setImmediate(resolve));
  globalThis.gc();
  await request;
  await until(() => reasons.length > 0, 'the listener to be told');
  assert.deepEqual(reasons, ['wall_time']);
  await node.close();
  await collected();
});

function inWorker(t, mode) {
  const worker = new Worker(new URL('./programs/switch_worker.mjs', import.meta.url), {
    workerData: mode,
  });
  afterwards(t, () => worker.terminate());
  const ended = new Promise((resolve) => worker.once('exit', resolve));
  const said = new Promise((resolve, reject) => {
    worker.once('message', resolve).once('error', reject);
  });
  return { worker, ended, said };
}

test('a worker that ends takes its switches along', async (t) => {
  const { ended, said } = inWorker(t, 'whole');
  assert.equal(await said, 1);
  assert.equal(await ended, 0);
  await until(() => native.handles() === 0, 'native handles are left');
});

test('a worker that is terminated takes its switches along', async (t) => {
  const { worker, said } = inWorker(t, 'endless');
  assert.equal(await said, 1);
  assert.ok(native.handles() > 2);
  await worker.terminate();
  await until(() => native.handles() === 0, 'native handles are left');
});

test('a process with a switch and a listener that waits ends by itself', async (t) => {
  const ran = run(t, 'test/programs/switch_pending.mjs', { home: freshHome(t) });
  assert.deepEqual(await ran.ended, { code: 0, signal: null, stderr: '' });
  assert.equal(await ran.nextLine(), 'as expected');
});
