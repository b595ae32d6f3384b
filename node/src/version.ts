/** The version of the library. */

import { native } from './native.js';

/** Returns the version of the native library. */
export function version(): string {
  return native().version();
}
