/**
 * Bytes where memory from outside of the engine is forbidden, as in Electron. There the engine
 * refuses an external buffer, and the addon must copy instead.
 *
 * The refusal is made by an addon that asks another function for its external buffers.
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { freshHome, packageFolder, run } from './support.mjs';

const ALLOWED = 'napi_create_external_buffer';
const FORBIDDEN = 'bans_create_external_buffer';
/** The status `napi_no_external_buffers_allowed`. */
const SOURCE = `int ${FORBIDDEN}(void) { return 22; }`;

/** Puts a copy of the package into a folder, whose addon is refused external buffers. */
function forbidding(folder) {
  const addon = readFileSync(join(packageFolder, 'native', 'hubless.node'));
  let found = 0;
  for (let at = addon.indexOf(`${ALLOWED}\0`); at >= 0; at = addon.indexOf(`${ALLOWED}\0`, at)) {
    addon.write(FORBIDDEN, at, 'latin1');
    found += 1;
  }
  assert.ok(found > 0, `the addon does not import ${ALLOWED}`);
  cpSync(join(packageFolder, 'dist'), join(folder, 'dist'), { recursive: true });
  copyFileSync(join(packageFolder, 'package.json'), join(folder, 'package.json'));
  cpSync(join(packageFolder, 'test', 'programs'), join(folder, 'programs'), { recursive: true });
  cpSync(join(packageFolder, 'native'), join(folder, 'native'), {
    recursive: true,
    filter: (path) => !path.endsWith('.node'),
  });
  writeFileSync(join(folder, 'native', 'hubless.node'), addon);
  const library = join(folder, 'forbids.so');
  const compiled = spawnSync('cc', ['-shared', '-fPIC', '-x', 'c', '-', '-o', library], {
    input: SOURCE,
    encoding: 'utf8',
  });
  assert.equal(compiled.status, 0, compiled.stderr ?? String(compiled.error));
  return library;
}

const skip = process.platform !== 'linux' && 'needs the loader of Linux';

test('large bytes are taken over where that is allowed', { skip }, async (t) => {
  const ran = run(t, 'test/programs/bytes.mjs', { home: freshHome(t) });
  const { code, stderr } = await ran.ended;
  assert.equal(code, 0, stderr);
  assert.equal(await ran.nextLine(), 'whole, taken over');
});

test('large bytes are copied where external buffers are forbidden', { skip }, async (t) => {
  const folder = freshHome(t);
  const env = { LD_PRELOAD: forbidding(folder) };
  const ran = run(t, 'programs/bytes.mjs', { home: freshHome(t), env, folder });
  const { code, stderr } = await ran.ended;
  assert.equal(code, 0, stderr);
  assert.equal(await ran.nextLine(), 'whole, copied');
});
