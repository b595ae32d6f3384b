/**
 * Hubless for Node.js, for ES modules: the same objects as `require('hubless')` gives.
 *
 * @packageDocumentation
 */

export type * from './index.js';
export {
  Agent,
  agent,
  BlobPart,
  blob,
  CallContext,
  CallStream,
  Content,
  current,
  data,
  defaultNode,
  ERROR_KINDS,
  factory,
  find,
  HublessError,
  ItemStream,
  inspectId,
  KillSwitch,
  limits,
  Node,
  Peer,
  peer,
  Rejected,
  register,
  request,
  Spend,
  text,
  tool,
  uri,
  version,
} from './index.js';
