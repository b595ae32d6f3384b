/**
 * What programs are tested with, for ES modules: the same as `require('hubless/testing')` gives.
 *
 * @packageDocumentation
 */

export type * from './testing.js';
export { FakePeer, Recorder, startMesh, TestMesh } from './testing.js';
