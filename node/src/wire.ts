/** The contract's records as they cross the boundary, after `JSON.parse`. No logic. */

import type { Amounts } from './budget.js';
import type { WireError } from './errors.js';

export interface WireBlob {
  mediaType: string;
  filename?: string;
  attachment: number;
}

export interface WireBody {
  kind: 'blob';
  mediaType: string;
  filename?: string;
  size?: number;
  sha256?: string;
  body: number;
}

export interface WireUri {
  uri: string;
  mediaType?: string;
  digest?: string;
  size?: number;
}

export interface WirePart {
  text?: string;
  data?: unknown;
  blob?: WireBlob;
  uri?: WireUri;
  stream?: WireBody;
  role?: string;
  metadata?: Record<string, unknown>;
}

export interface WireContent {
  parts: WirePart[];
  metadata?: Record<string, unknown>;
  value?: unknown;
  text?: string;
}

export interface WireReply {
  content: WireContent;
  value: unknown;
  text: string;
  usage: Record<string, unknown>;
  timing: Record<string, number>;
  agent: { agentId: string; name: string; nodeKey: string };
  path: 'in_process' | 'direct' | 'relay';
  attempts: number;
  traceId: string;
}

export interface WireCall {
  agent: number;
  fresh: boolean;
  skill?: string;
  content: WireContent;
  caller: Record<string, unknown>;
  authScheme?: string;
  accept?: Record<string, unknown>;
  context?: Record<string, unknown>;
  conversationId?: string;
  tools?: { name: string; description: string; inputSchema?: object; effect?: string }[];
  deadlineMs: number;
  depth: number;
  trace?: { traceparent?: string; tracestate?: string; baggage?: string };
  idempotencyKey?: string;
  metadata?: Record<string, unknown>;
  requestId: string;
  attempt: number;
  inputSchema?: object;
  outputSchema?: object;
  granted?: Required<Amounts>;
}

export interface WireStreamItem {
  accepted?: true;
  progress?: { note: string; fraction?: number };
  chunk?: { part: WirePart & { value?: unknown; text?: string }; append: boolean };
  final?: WireReply;
}

export interface WireResponse {
  output?: WireReply;
  rejection?: WireError;
  usage: Record<string, unknown>;
}
