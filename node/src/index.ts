/**
 * Hubless for Node.js: agents find each other and talk directly, with no hub.
 *
 * @module hubless
 */

export type { Health } from './agent.js';
export { Agent } from './agent.js';
export type { ByteSource } from './body.js';
export type {
  Amounts,
  Branch,
  Orphans,
  Spent,
  Stop,
  Terms,
  TripReason,
} from './budget.js';
export {
  type BlobOptions,
  BlobPart,
  blob,
  Content,
  type DataPart,
  data,
  type Part,
  type PartOptions,
  type Role,
  type TextPart,
  text,
  type UriPart,
  uri,
} from './content.js';
export { CallContext, type Caller, current, type OfferedTool } from './context.js';
export { agent, defaultNode, find, peer, register, request } from './default.js';
export {
  ERROR_KINDS,
  type ErrorFields,
  type ErrorKind,
  HublessError,
  Rejected,
  type Retry,
} from './errors.js';
export { type Identity, type IdentityKind, inspectId, limits } from './identity.js';
export {
  type AgentClass,
  type AgentObject,
  type AgentTarget,
  factory,
  type Handler,
  type Skills,
} from './implementation.js';
export { KillSwitch } from './killswitch.js';
export type { StopListener } from './listeners.js';
export {
  Node,
  type NodeStatus,
  type Response,
  type WatchEvent,
} from './node.js';
export type { Credential, CredentialProvider } from './offers.js';
export type * from './options.js';
export { type Description, type Found, type FoundSkill, Peer } from './peer.js';
export type { Provider, ProviderOptions } from './provider.js';
export type { Reply, Timing, Usage } from './reply.js';
export type { AgentRequest, RequestInput, Target } from './request.js';
export type { InputOf, JsonSchema, OutputOf, Schema, StandardSchema } from './schema.js';
export type { ServeOptions } from './serve.js';
export { Spend, type SpendLimits, type SpendUsed } from './spend.js';
export type { Credentials, Pins, Template, Templates } from './stores.js';
export { CallStream, type Chunk, ItemStream, type StreamEvent } from './stream.js';
export { tool } from './tool.js';
export { version } from './version.js';
