/**
 * Finds and loads the addon: the one built beside this package, else the platform's package.
 * Owns nothing else. Tested by `test/native.test.mjs`.
 */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Native } from '../native.js';

const LOCAL_ADDON = join(__dirname, '..', 'native', 'hubless.node');

/** Name of the optional dependency that carries the addon for this platform. */
export function platformPackage(): string {
  const libc = process.platform === 'linux' ? `-${libcFamily()}` : '';
  return `@hubless/${process.platform}-${process.arch}${libc}`;
}

let loaded: Native | undefined;

/** Loads the addon on first use. */
export function native(): Native {
  loaded ??= load();
  return loaded;
}

function load(): Native {
  if (existsSync(LOCAL_ADDON)) return require(LOCAL_ADDON) as Native;
  const name = platformPackage();
  try {
    return require(name) as Native;
  } catch (cause) {
    const platform = name.slice('@hubless/'.length);
    const message =
      `hubless has no native library for ${platform}: ` +
      `the package ${name}, an optional dependency, cannot be loaded`;
    throw new Error(message, { cause });
  }
}

function libcFamily(): 'gnu' | 'musl' {
  const report = process.report?.getReport() as
    | { header?: { glibcVersionRuntime?: string } }
    | undefined;
  return report?.header?.glibcVersionRuntime ? 'gnu' : 'musl';
}
