/** What the tests share: nodes in homes of their own, child processes, leak checks. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { KillSwitch, Node } from 'hubless';
import loader from '../dist/native.js';
import sessions from '../dist/session.js';

/** The addon itself. */
export const native = loader.native();

export const packageFolder = dirname(dirname(fileURLToPath(import.meta.url)));

const cleanups = new WeakMap();

/** Runs `work` after the test; what was asked for last runs first. */
export function afterwards(t, work) {
  const stack = cleanups.get(t) ?? [];
  if (stack.length === 0) {
    cleanups.set(t, stack);
    t.after(async () => {
      for (const one of stack.reverse()) await one();
    });
  }
  stack.push(work);
}

/** A folder that is removed after the test. */
export function freshHome(t) {
  const home = mkdtempSync(join(tmpdir(), 'hubless-node-test-'));
  afterwards(t, () => rmSync(home, { recursive: true, force: true }));
  return home;
}

/** A node that is closed after the test, which then must have left no native handle behind. */
export async function startNode(t, options = {}) {
  const home = options.home ?? freshHome(t);
  const node = await Node.start({ ...options, home });
  if (!nodes.has(t)) {
    nodes.set(t, []);
    afterwards(t, async () => {
      for (const one of nodes.get(t)) await one.close({ graceMs: 1000 });
      await until(() => native.handles() === 0, `${native.handles()} native handles are left`);
    });
  }
  nodes.get(t).push(node);
  return Object.assign(node, { testHome: home });
}

const nodes = new WeakMap();

/** A session without a node, closed after the test; its addon has the operations `bridge.*`. */
export function openBridge(t) {
  assert.ok('panicNow' in native, 'build the addon with --features testing');
  const session = new sessions.Session();
  afterwards(t, () => session.close());
  return session;
}

/** A switch that is closed after the test, before the nodes that were started earlier. */
export function makeSwitch(t, terms) {
  const killSwitch = new KillSwitch(terms);
  afterwards(t, () => killSwitch.close());
  return killSwitch;
}

/** Waits until a condition holds, looking again at every turn of the event loop. */
export async function until(condition, what, timeoutMs = 20_000) {
  const end = performance.now() + timeoutMs;
  while (!(await condition())) {
    assert.ok(performance.now() < end, `timed out: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Runs a program of a package; gives its lines as they come and how it ended. */
export function run(t, program, options = {}) {
  const { args = [], home, nodeArgs = [], env = {}, folder = packageFolder } = options;
  const child = spawn(process.execPath, [...nodeArgs, join(folder, program), ...args], {
    cwd: folder,
    env: { ...process.env, HUBLESS_HOME: home, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  afterwards(t, () => child.kill('SIGKILL'));
  let stderr = '';
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ended = new Promise((resolve) =>
    child.once('close', (code, signal) => resolve({ code, signal, stderr })),
  );
  return { child, ended, nextLine: async () => (await lines.next()).value };
}

/** Matches an error of Hubless by its members. */
export function isError(members) {
  return (error) => {
    for (const [key, wanted] of Object.entries(members)) {
      assert.deepEqual(error[key], wanted, `${key} of ${error.name}: ${error.message}`);
    }
    return true;
  };
}

/** A promise with its functions outside. */
export function deferred() {
  let resolve;
  let reject;
  const promise = new Promise((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}
