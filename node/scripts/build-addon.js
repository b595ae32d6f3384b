/** Builds the addon with cargo and puts it where the package looks for it. */

const { spawnSync } = require('node:child_process');
const { copyFileSync, mkdirSync, renameSync } = require('node:fs');
const { join } = require('node:path');

const root = join(__dirname, '..', '..');
const release = process.argv.includes('--release');
const args = ['build', '-p', 'hubless-node', ...(release ? ['--release'] : [])];
if (!process.argv.includes('--plain')) args.push('--features', 'testing');

const built = spawnSync('cargo', args, { cwd: root, stdio: 'inherit' });
if (built.status !== 0) process.exit(built.status ?? 1);

const name = { darwin: 'libhubless_node.dylib', win32: 'hubless_node.dll' }[process.platform];
const target = process.env.CARGO_TARGET_DIR ?? join(root, 'target');
const library = join(target, release ? 'release' : 'debug', name ?? 'libhubless_node.so');
const addon = join(__dirname, '..', 'native', 'hubless.node');
mkdirSync(join(__dirname, '..', 'native'), { recursive: true });
// Renamed into place: a process that runs on the old file keeps it.
copyFileSync(library, `${addon}.new`);
renameSync(`${addon}.new`, addon);
