/** Starting, ending, exiting, workers: what the process and the event loop see. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { Node } from 'hubless';
import {
  afterwards,
  deferred,
  freshHome,
  isError,
  native,
  run,
  startNode,
  until,
} from './support.mjs';

test('after close everything fails with closed, also what was pending', async (t) => {
  const node = await startNode(t);
  let begun;
  const started = new Promise((resolve) => {
    begun = resolve;
  });
  await node.agent({ name: 'never' }, () => {
    begun();
    return new Promise(() => {});
  });
  const pending = node.request('never');
  await started;
  const closing = node.close({ graceMs: 10 });
  assert.equal(node.close(), closing);
  assert.equal(node.closed, true);
  await assert.rejects(pending, isError({ kind: 'closed' }));
  await closing;
  await assert.rejects(node.request('never'), isError({ kind: 'closed' }));
  await assert.rejects(node.find('x'), isError({ kind: 'closed' }));
  await assert.rejects(node.serve(), isError({ kind: 'closed' }));
  await assert.rejects(node.stream('never').reply(), isError({ kind: 'closed' }));
});

test('spans go to the file that the node names', async (t) => {
  const spans = join(freshHome(t), 'spans.jsonl');
  const node = await startNode(t, { trace: spans });
  await node.agent({ name: 'echo' }, (input) => input);
  const { traceId } = await node.request('echo', 'x');
  await node.close();
  assert.match(traceId, /^[0-9a-f]{32}$/);
  assert.ok(readFileSync(spans, 'utf8').includes(traceId));
});

test('close waits for calls that run', async (t) => {
  const node = await startNode(t);
  const [started, gate] = [deferred(), deferred()];
  await node.agent({ name: 'slow' }, () => {
    started.resolve();
    return gate.promise;
  });
  const running = node.request('slow');
  await started.promise;
  const closing = node.close();
  assert.equal(node.closed, true);
  let opened = false;
  setTimeout(() => {
    opened = true;
    gate.resolve('done');
  }, 40);
  await closing;
  assert.ok(opened, 'a close that does not wait is over before');
  assert.equal((await running).value, 'done');
});

test('a node is disposed of by await using', async (t) => {
  const node = await startNode(t);
  await node[Symbol.asyncDispose]();
  assert.equal(node.closed, true);
});

/** What the end of a process may take, whatever still runs. */
const END_MS = 5_000;

const programs = {
  'exits by itself with an idle node that hosts an agent': 'idle.mjs',
  'exits with a call pending in nobody’s hands after process.exit': 'exit.mjs',
  'exits with workers that call all the time after process.exit': 'exit_workers.mjs',
  'waits for a pending request although nothing else is left': 'pending.mjs',
  'survives a rejecting handler and a throwing one': 'rejecting.mjs',
  'survives the end of the last worker that loaded the addon': 'only_workers.mjs',
  'works with require': 'required.cjs',
};
for (const [what, program] of Object.entries(programs)) {
  test(what, async (t) => {
    const ran = run(t, `test/programs/${program}`, { home: freshHome(t) });
    assert.equal(await ran.nextLine(), 'as expected');
    const said = performance.now();
    const { code, signal, stderr } = await ran.ended;
    assert.deepEqual([code, signal], [0, null], stderr);
    assert.ok(performance.now() - said < END_MS, `ended after ${performance.now() - said} ms`);
  });
}

test('the examples find each other; the agent ends when its input ends', async (t) => {
  const home = freshHome(t);
  const agent = run(t, 'examples/hello_agent.mjs', { home });
  const node = await startNode(t, { home });
  // The caller gives up after a second.
  await node.peer('greet', { waitMs: 20_000 });
  const caller = run(t, 'examples/hello_caller.mjs', { home, args: ['Grace'] });
  const { code, stderr } = await caller.ended;
  assert.equal(code, 0, stderr);
  assert.equal(await caller.nextLine(), 'hello Grace');
  agent.child.stdin.end();
  assert.deepEqual(await agent.ended, { code: 0, signal: null, stderr: '' });
});

test('the example of a budget says what was spent and left', async (t) => {
  const budget = run(t, 'examples/budget.mjs', { home: freshHome(t) });
  const { code, stderr } = await budget.ended;
  assert.equal(code, 0, stderr);
  assert.equal(await budget.nextLine(), '120 49');
});

test('SIGTERM ends an agent gracefully', async (t) => {
  const home = freshHome(t);
  const agent = run(t, 'examples/hello_agent.mjs', { home });
  const node = await startNode(t, { home });
  // Once it has answered it has also begun to listen for signals.
  await node.request('greet', { name: 'x' }, { waitMs: 20_000 });
  agent.child.kill('SIGTERM');
  assert.deepEqual(await agent.ended, { code: 0, signal: null, stderr: '' });
  const gone = async () => (await node.find('greet', { waitMs: 0 })).length === 0;
  await until(gone, 'the agent to be gone');
});

test('a call in flight ends after SIGTERM', async (t) => {
  const home = freshHome(t);
  const agent = run(t, 'test/programs/held_agent.mjs', { home });
  const node = await startNode(t, { home });
  const pipe = join(home, 'gate');
  execFileSync('mkfifo', [pipe]);
  await node.request('idle', 1, { waitMs: 20_000 });
  const held = node.request('held', pipe, { waitMs: 20_000 });
  // Opens when the handler has opened its end.
  const gate = await open(pipe, 'w');
  agent.child.kill('SIGTERM');
  const taken = () =>
    node.request('idle', 1, { waitMs: 0 }).then(
      () => true,
      () => false,
    );
  while (await taken());
  await gate.write('let through');
  await gate.close();
  assert.equal((await held).value, 'let through');
  assert.deepEqual(await agent.ended, { code: 0, signal: null, stderr: '' });
});

test('a peer killed in the middle of a call is a typed error', async (t) => {
  const home = freshHome(t);
  const agent = run(t, 'test/programs/slow_agent.mjs', { home });
  assert.equal(await agent.nextLine(), 'ready');
  const node = await startNode(t, { home });
  const request = node.request('slow', 1, { waitMs: 20_000 });
  assert.equal(await agent.nextLine(), 'started');
  agent.child.kill('SIGKILL');
  await assert.rejects(request, (error) => ['transport', 'unknown_outcome'].includes(error.kind));
});

test('a process that handles a call is not idle, and ends afterwards', async (t) => {
  const home = freshHome(t);
  const agent = run(t, 'test/programs/handling.mjs', { home });
  const node = await startNode(t, { home });
  const reply = await node.request('slow', 1, { waitMs: 20_000 });
  assert.equal(reply.value, 'as expected');
  assert.deepEqual(await agent.ended, { code: 0, signal: null, stderr: '' });
});

/** Longer than the silence after which a connection is given up. */
const BLOCKED_MS = 9_000;

test('a handler that blocks its event loop stops neither its node nor others', async (t) => {
  const home = freshHome(t);
  const blocked = run(t, 'test/programs/blocked.mjs', { home });
  assert.equal(await blocked.nextLine(), 'ready');
  const node = await startNode(t, { home });
  await node.agent({ name: 'free' }, (n) => n + 1);
  const answer = node.request('blocking', BLOCKED_MS, { waitMs: 20_000 });
  assert.equal(await blocked.nextLine(), 'blocked');
  let answered = false;
  answer.finally(() => {
    answered = true;
  });
  for (let n = 0; !answered; n++) {
    assert.equal((await node.request('free', n)).value, n + 1);
    assert.equal((await node.find('blocking', { waitMs: 0 })).length, 1);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const { value, timing } = await answer;
  assert.equal(value, 'as expected');
  assert.ok(timing.handlerUs >= BLOCKED_MS * 1000, `${timing.handlerUs} µs`);
});

function inWorker(t, mode, home) {
  const worker = new Worker(new URL('./programs/worker.mjs', import.meta.url), {
    workerData: { mode, home },
  });
  afterwards(t, () => worker.terminate());
  return worker;
}

test('works in a worker thread, which ends by itself', async (t) => {
  const worker = inWorker(t, 'whole', freshHome(t));
  const messages = [];
  worker.on('message', (message) => messages.push(message));
  const code = await new Promise((resolve, reject) => {
    worker.once('error', reject).once('exit', resolve);
  });
  assert.equal(code, 0);
  assert.deepEqual(messages, ['hello worker']);
  await until(() => native.handles() === 0, 'native handles are left');
});

test('a worker can be terminated in the middle, ten times', async (t) => {
  const home = freshHome(t);
  for (let round = 0; round < 10; round++) {
    const worker = inWorker(t, 'endless', home);
    await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
    await worker.terminate();
  }
  await until(() => native.handles() === 0, 'native handles are left');
  const node = await startNode(t);
  await node.agent({ name: 'still' }, () => 'here');
  assert.equal((await node.request('still')).value, 'here');
});

test('a start that fails leaves nothing behind', async () => {
  const before = native.handles();
  await assert.rejects(Node.start({ home: '/dev/null/no-folder', memoryOnly: false, port: -1 }));
  await until(() => native.handles() === before, 'native handles are left');
});
