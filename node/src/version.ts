/** The version of the library. */

import { native } from './native.js';

/**
 * Returns the version of the native library.
 *
 * @example
 * assert.match(version(), /^\d+\.\d+\.\d+$/);
 */
export function version(): string {
  return native().version();
}
