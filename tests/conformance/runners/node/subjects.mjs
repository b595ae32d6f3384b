/** The subject agents of `tests/conformance/SUBJECT.md`. */

import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { blob, Content, factory, HublessError } from '../../../../node/dist/index.mjs';
import { z } from '../../../../node/node_modules/zod/index.js';
import { enduring, pouredPieces } from './endurance.mjs';
import { registerSkilled } from './skilled.mjs';
import { spenders } from './spenders.mjs';

const PIECE_BYTES = 100_000;
/** How long `guarded` looks at the credential `slowly`. */
const SLOWLY_MS = 1000;
/** Signed the tokens that `badge` takes. */
const ROOT = '97e92cbf815223ddc790124e79febc6a368b1fadda85b9c431a8bba5d59e5be8';

/** Bytes (i * 31 + 7) mod 251 in pieces. */
export function* pattern(size) {
  for (let from = 0; from < size; from += PIECE_BYTES) yield patternBytes(size, from, PIECE_BYTES);
}

/** Bytes (i * 31 + 7) mod 251 from `from` on, at most `count` of them. */
export function patternBytes(size, from = 0, count = size) {
  const piece = new Uint8Array(Math.min(count, size - from));
  for (let i = 0; i < piece.length; i++) piece[i] = ((from + i) * 31 + 7) % 251;
  return piece;
}

/** Reads a blob part by its reader. */
export async function digestOf(part) {
  const hash = createHash('sha256');
  let size = 0;
  for await (const bytes of part.reader()) {
    hash.update(bytes);
    size += bytes.length;
  }
  const { streamed, mediaType } = part;
  return { size, sha256: hash.digest('hex'), streamed, mediaType };
}

const runs = {};
const cancelled = {};

/** Registers all subjects, their names behind `prefix.`. */
export async function registerSubjects(node, prefix) {
  await registerSkilled(node, prefix, count);
  for (const [name, { handler, ...options }] of Object.entries(subjects(node, prefix))) {
    const counted = countRuns(name, handler);
    await node.register(counted, { skill: name, ...options, name: `${prefix}.${name}` });
  }
}

function count(name) {
  runs[name] = (runs[name] ?? 0) + 1;
}

function countRuns(name, handler) {
  if (handler instanceof Function) {
    return (input, ctx) => {
      count(name);
      return handler(input, ctx);
    };
  }
  const { create } = handler;
  return factory(() => {
    count(name);
    return create();
  });
}

function slowAs(name) {
  return async ({ ms }, ctx) => {
    try {
      await sleep(ms, undefined, { signal: ctx.signal });
    } catch {
      cancelled[name] = (cancelled[name] ?? 0) + 1;
    }
    return 'done';
  };
}

function subjects(node, prefix) {
  return {
    ...plain(),
    ...streaming(),
    ...guarded(prefix),
    ...checked(),
    ...failing(),
    ...nesting(),
    ...spenders(node),
    ...enduring(),
    visit: { handler: visit(node, prefix) },
    stats: { handler: () => ({ runs, cancelled, poured: pouredPieces() }) },
  };
}

function plain() {
  const integer = z.int();
  let onceRuns = 0;
  return {
    echo: {
      effect: 'PURE',
      handler: (_input, ctx) => new Content(ctx.content.parts.map(again), ctx.content.metadata),
    },
    sum: {
      effect: 'PURE',
      input: z.strictObject({ a: integer, b: integer }),
      output: z.object({ sum: integer }),
      handler: ({ a, b }) => ({ sum: a + b }),
    },
    context: { handler: tellContext },
    templated: {
      requestTemplate: { context: { explanation: 'of the descriptor' } },
      handler: tellContext,
    },
    rates: {
      attributes: {
        pair: ['EUR/USD'],
        period: { interval: { from: '2021-01-01', to: '2024-12-31' } },
        resolution_s: 60,
      },
      handler: () => 'ok',
    },
    once: { effect: 'IDEMPOTENT', handler: () => ({ run: ++onceRuns }) },
    fresh: {
      handler: factory(() => {
        let count = 0;
        return { handle: () => ({ count: ++count }) };
      }),
    },
  };
}

/** Ten agents that take many calls at once. */
function wide() {
  const one = { requirements: { maxConcurrency: 1024 }, handler: () => 'ok' };
  return Object.fromEntries(Array.from({ length: 10 }, (_, n) => [`wide${n}`, one]));
}

function tellContext(_input, { context = {} }) {
  const { entries = [], pages = [], history = [], explanation = null } = context;
  const { descriptions = {} } = context;
  const keys = entries.map((entry) => entry.key);
  return { keys, entries, pages, history, explanation, descriptions };
}

/** A part to be sent again: a streamed one is read while it is sent. */
function again(part) {
  if (part.type !== 'blob' || !part.streamed) return part;
  const { mediaType, filename, size } = part;
  return blob(part.reader(), { mediaType, filename, size });
}

function streaming() {
  const vast = { maxRequestBytes: 536_870_912, maxBinaryBytes: 536_870_912 };
  return {
    digest: {
      requirements: vast,
      handler: (_input, ctx) => digestOf(ctx.content.blobs[0]),
    },
    make: { handler: ({ size }) => blob(pattern(size), { size }) },
    count: {
      streaming: true,
      async *handler({ n }, ctx) {
        for (let i = 1; i <= n; i++) {
          yield String(i);
          if (i === Math.floor(n / 2)) await ctx.progress('half', 0.5);
        }
        return { n };
      },
    },
    slow: { handler: slowAs('slow') },
    ...wide(),
    single: { requirements: { maxConcurrency: 1, queue: 0 }, handler: slowAs('single') },
  };
}

function guarded(prefix) {
  const known = ['letmein', 'slowly'];
  const letIn = ({ scheme, credential }) => scheme === 'custom' && known.includes(credential);
  const words = (texts) => texts.join(' ').split(' ').filter(Boolean).length;
  return {
    secret: { requirements: { auth: { sharedSecret: 'open-sesame' } }, handler: () => 'in' },
    badge: {
      requirements: { auth: { token: { root: ROOT, facts: { team: 'finance', level: 3 } } } },
      handler: () => 'in',
    },
    guarded: {
      requirements: {
        auth: async (question) => {
          await sleep(question.credential === 'slowly' ? SLOWLY_MS : 1);
          return letIn(question);
        },
      },
      handler: () => 'in',
    },
    modelled: {
      contextProtocol: 'pcp',
      allowedModels: { chat: ['small-1'] },
      handler: () => 'ok',
    },
    equipped: { needs: { tools: ['add'] }, handler: () => 'ok' },
    kept: { identity: { stored: `${prefix}.kept` }, handler: () => 'ok' },
    textonly: { requirements: { acceptedContent: ['text'] }, handler: () => 'ok' },
    frugal: { requirements: { maxTokens: 16 }, handler: () => 'ok' },
    counted: { requirements: { maxTokens: 5, tokenCounter: words }, handler: () => 'ok' },
  };
}

/** One agent for each check that comes before a handler; `strict` has most of them. */
function checked() {
  const rules = {
    private: { allowedCallers: { principals: ['mesh:nobody'] } },
    members: { allowedCallers: { principals: ['mesh:*'] } },
    hurried: { ratePerS: 0.01, rateBurst: 1 },
    small: { maxRequestBytes: 2000 },
    lean: { maxBinaryBytes: 1000 },
    dialogue: { requireConverse: true },
    plain: { allowCustomJson: false },
    sealed: { allowCustomContext: false },
    onepage: { allowMultiPageContext: false },
    unique: { allowAgentDuplication: false },
    strict: {
      auth: { sharedSecret: 'open-sesame' },
      maxRequestBytes: 4000,
      acceptedContent: ['text'],
      requireConverse: true,
      allowCustomJson: false,
      allowCustomContext: false,
      maxTokens: 8,
    },
  };
  const agent = ([name, requirements]) => [name, { requirements, handler: () => 'ok' }];
  return Object.fromEntries(Object.entries(rules).map(agent));
}

function failing() {
  return {
    fail: {
      handler: () => {
        throw new Error('broken on purpose');
      },
    },
    refuse: {
      handler: async () => {
        const message = 'refused on purpose';
        throw new HublessError({ kind: 'denied', code: 'not_today', message });
      },
    },
    decline: {
      handler: ({ kind, field, retry: when }) => {
        const retry = typeof when === 'number' ? { afterMs: when } : when;
        const message = 'declined on purpose';
        throw new HublessError({ kind, code: 'not_now', message, field, retry });
      },
    },
    badtool: { handler: (_input, ctx) => ctx.callTool('undeclared', {}) },
    wrong: { output: { type: 'object', required: ['x'] }, handler: () => ({ y: 1 }) },
  };
}

/** Agents that come and go in this node. */
function visit(node, prefix) {
  const guests = new Map();
  return async ({ arrive, depart, transient, plain, returnsOf, ails, health }) => {
    if (arrive) {
      let runs = 0;
      const requirements = returnsOf ? { acceptReturnsFrom: [returnsOf] } : undefined;
      const name = plain ? arrive : `${prefix}.${arrive}`;
      const options = { name, transient, requirements };
      const guest = await node.agent(options, () => (returnsOf ? String(++runs) : 'ok'));
      guests.set(arrive, guest);
      return transient ? guest.reach : 'ok';
    }
    await guests.get(ails)?.health(health);
    await guests.get(depart)?.unregister();
    return 'ok';
  };
}

function nesting() {
  const nested = async ({ to, value, after_ms: afterMs = 0 }, ctx) => {
    await sleep(afterMs);
    const inner = await ctx.node.request(to, value, { waitMs: 20_000 });
    return { depth: ctx.depth, inner: inner.value };
  };
  const whoAsks = (_input, { depth, caller, remainingMs }) => ({
    depth,
    caller: caller.kind,
    from: caller.agent ?? null,
    deadlineMs: remainingMs,
  });
  return {
    tool: { handler: async (input, ctx) => ({ fromTool: await ctx.callTool('add', input) }) },
    eager: {
      handler: async (_input, ctx) => {
        for (let made = 0; made < 65; made += 1) await ctx.callTool('add', { a: 1, b: 2 });
        return 'done';
      },
    },
    ask: { handler: async (_input, ctx) => ({ got: await ctx.input('which?') }) },
    nested: { handler: nested },
    alone: { requirements: { reentrant: false }, handler: nested },
    depth: { handler: whoAsks },
    open: { requirements: { allowExternalConnections: true }, handler: whoAsks },
    trace: {
      handler: (_input, { trace }) => ({
        traceparent: trace.traceparent ?? null,
        tracestate: trace.tracestate ?? null,
        baggage: trace.baggage ?? null,
      }),
    },
    talk: {
      flags: { recordsInteractionContext: true },
      handler: async (_input, ctx) => ({ turns: (await ctx.history()).length }),
    },
  };
}
