/** Runs language-neutral cases through the public API; see `tests/conformance/SUBJECT.md`. */

import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  blob,
  Content,
  data,
  HublessError,
  text,
  tool,
  uri,
} from '../../../../node/dist/index.mjs';
import { expectationHolds } from './expect.mjs';
import { found, Operations } from './operations.mjs';
import { PATIENCE_MS, Paying } from './paying.mjs';
import { partsSeen } from './seen.mjs';
import { digestOf, pattern, patternBytes } from './subjects.mjs';

const DEEP_LEVELS = 100;
const LONG = '$LONG';
const SHOWN_CHARACTERS = 400;

/** Runs cases against the subjects of one language. */
export class CaseRunner {
  #node;
  #to;
  #run = randomBytes(6).toString('hex');
  #key = '';
  #id = '';
  #kept = '';
  #operations;
  #paying = new Paying({});

  /** Calls the agents `<to>.*` through `node`. */
  constructor(node, to) {
    this.#node = node;
    this.#to = to;
    this.#operations = new Operations(node);
  }

  /** Waits until the other side has registered its last agent. */
  async waitForSubject() {
    const filter = { field: 'name', op: '=', value: `${this.#to}.stats` };
    await this.#node.peer({ filter }, { waitMs: PATIENCE_MS });
  }

  /** Runs a case; gives the line to print. */
  async run(one) {
    const began = performance.now();
    const { value: before, ...way } = await this.#stats();
    this.#key = way.peer;
    if (JSON.stringify(one).includes('$ID')) await this.#learnId(one.agent);
    this.#paying = new Paying(one);
    const got = await this.#outcome(one, before, way);
    const expected = one.expect ?? one.steps.map(({ expect }) => expect);
    const wanted = this.#fill(expected, 0);
    const holds = await this.#paying.show(got.list, () => expectationHolds(wanted, got.list));
    this.#paying.close();
    const { value: after } = await this.#stats();
    const { agent } = one;
    const runs = (after.runs[agent] ?? 0) - (before.runs[agent] ?? 0);
    const ranAsOften = one.runs === undefined || runs === one.runs;
    const ok = this.#ranRemotely(got) && ranAsOften && holds;
    const ms = Math.round(performance.now() - began);
    const { list, path, peer, wayOf } = got;
    const shown = { case: one.id, ok, expected, got: shortened(list) };
    return { ...shown, path, peer, wayOf, runs, ms };
  }

  /** The way of the answer; of the calls to `stats` where there was no answer. */
  #ranRemotely({ path, peer }) {
    return path !== 'in_process' && peer !== undefined && peer !== this.#node.nodeKey;
  }

  async #learnId(agent) {
    const filter = { field: 'name', op: '=', value: `${this.#to}.${agent}` };
    this.#id = (await this.#node.peer({ filter }, { waitMs: PATIENCE_MS })).agentId;
  }

  async #stats() {
    const { value, path, agent } = await this.#node.request(`${this.#to}.stats`, '?');
    return { value, path, peer: agent.nodeKey };
  }

  async #outcome(one, before, { path, peer }) {
    const action = one.action ?? {};
    const got = { list: [], path, peer, wayOf: 'stats' };
    const operation = this.#operation(one, action);
    if (one.steps) {
      for (const step of one.steps) {
        const whole = { agent: one.agent, request: {}, ...step };
        const [outcome] = (await this.#outcome(whole, before, got)).list;
        got.list.push(outcome);
        if (step.keep) this.#kept = outcome.error?.candidates?.[0] ?? String(outcome.text);
      }
    } else if (operation) {
      got.list.push(await caught(operation, got));
    } else if (action.parallel) {
      const calls = Array.from({ length: action.parallel }, (_, n) => this.#request(one, n, got));
      got.list.push(countOutcomes(await Promise.all(calls)));
    } else if (action.stream) {
      got.list.push(await this.#stream(one, got));
    } else if (action.cancelAfterMs || action.tripAfterMs) {
      got.list.push(...(await this.#stopped(one, before, got)));
    } else {
      for (let n = 0; n < (action.repeat ?? 1); n++)
        got.list.push(await this.#request(one, n, got));
    }
    return got;
  }

  /** What a case does through the node besides asking, if it does. */
  #operation(one, action) {
    for (const [word, value] of Object.entries(this.#fill(action, 0))) {
      if (word === 'find') return () => this.#find(value);
      if (word === 'send') return (got) => this.#send(one, got);
      if (word === 'sendShort') return (got) => this.#sendShort(one, got);
      if (word === 'check') return () => this.#check(one, value);
      if (word === 'watch') return () => this.#watch(one, value);
      if (word in this.#operations) return () => this.#operations[word](value);
    }
    return undefined;
  }

  async #find(query) {
    return found(await this.#node.find(query, { waitMs: this.#paying.patienceMs }));
  }

  #send(one, got) {
    const { to, input, options } = this.#prepare(one, 0);
    return this.#sent({ ...options, to, content: input }, got);
  }

  #sendShort(one, got) {
    const { to, input, options } = this.#prepare(one, 0);
    return this.#sent({ ...options, agent: to, content: input }, got);
  }

  async #sent(request, got) {
    const { output, rejection } = await this.#paying.run(() => this.#node.send(request));
    return rejection ? { rejection: errorFields(rejection) } : this.#decode(output, got);
  }

  async #check(one, name) {
    const { input, options } = this.#prepare(one, 0);
    const { rejection, value } = await this.#operations.check(name, input, options);
    return rejection ? { rejection: errorFields(rejection) } : { value };
  }

  #watch(one, query) {
    const asked = one.action.while.map((request) => ({ ...one, action: {}, request }));
    const steps = asked.map((whole) => () => this.#request(whole, 0, {}));
    return this.#operations.watch(query, steps);
  }

  async #request(one, n, got, signal) {
    const { to, input, options } = this.#prepare(one, n);
    const asked = signal ? { ...options, signal } : options;
    try {
      const reply = await this.#paying.run(() => this.#node.request(to, input, asked));
      return await this.#decode(reply, got);
    } catch (error) {
      return { error: errorFields(error) };
    }
  }

  async #decode(reply, got) {
    got.path = reply.path;
    got.peer = reply.agent.nodeKey;
    got.wayOf = 'answer';
    const [part] = reply.content.blobs;
    const { value, text, usage, traceId: tracedAs } = reply;
    const outcome = { value, text, usage, tracedAs, ...partsSeen(reply.content) };
    return part ? { ...outcome, blob: await digestOf(part) } : outcome;
  }

  async #stream(one, got) {
    const { to, input, options } = this.#prepare(one, 0);
    const seen = { chunks: [], notes: [] };
    try {
      const stream = this.#paying.run(() => this.#node.stream(to, input, options));
      for await (const event of stream.events()) {
        if (event.type === 'chunk') seen.chunks.push(event.value);
        if (event.type === 'progress') seen.notes.push(event.note);
        if (event.type === 'final') Object.assign(seen, await this.#decode(event.reply, got));
      }
      return seen;
    } catch (error) {
      return { ...seen, error: errorFields(error) };
    }
  }

  /** A request that is given up, or whose switch is tripped, so long after its handler began. */
  async #stopped(one, before, got) {
    const { cancelAfterMs, tripAfterMs } = one.action;
    const givenUp = new AbortController();
    const asked = this.#request(one, 0, got, givenUp.signal);
    await this.#grows('runs', one.agent, before);
    await sleep(cancelAfterMs ?? tripAfterMs);
    if (tripAfterMs) this.#paying.trip();
    else givenUp.abort();
    const outcome = await asked;
    if (await this.#grows('cancelled', one.agent, before)) return [outcome];
    return [outcome, { error: { kind: 'the handler was not cancelled' } }];
  }

  /** Waits until the other process has counted one more than before; says whether it has. */
  async #grows(what, agent, before) {
    const wanted = (before[what][agent] ?? 0) + 1;
    const until = performance.now() + PATIENCE_MS;
    while (((await this.#stats()).value[what][agent] ?? 0) < wanted) {
      if (performance.now() > until) return false;
      await sleep(20);
    }
    return true;
  }

  #prepare(one, n) {
    const { content, wait, tools, ...rest } = this.#fill(one.request, n);
    const action = one.action ?? {};
    const options = this.#paying.options({ ...rest, waitMs: wait });
    if (action.tool) {
      const times = { length: action.times ?? 1 };
      options.tools = Array.from(times, () => addTool(action.tool));
    }
    if (action.input !== undefined) options.onInput = () => action.input;
    const query = action.toQuery && { query: this.#fill(action.toQuery, n) };
    const to = query ?? this.#fill(one.to, n) ?? `${this.#to}.${one.agent}`;
    return { to, input: contentOf(content), options };
  }

  #fill(value, n) {
    if (value === '$DEEP') return deep();
    if (typeof value === 'string') {
      if (value.startsWith(LONG)) return 'x'.repeat(Number(value.slice(LONG.length)));
      const named = value.replaceAll('$TO', this.#to).replaceAll('$RUN', this.#run);
      const seen = named.replaceAll('$KEY', this.#key).replaceAll('$ID', this.#id);
      const known = seen.replaceAll('$KEPT', this.#kept);
      return known.replaceAll('$N', String(n)).replaceAll('$D', String(n % 10));
    }
    if (Array.isArray(value)) return value.map((item) => this.#fill(item, n));
    if (typeof value !== 'object' || value === null) return value;
    const filled = Object.entries(value).map(([key, item]) => [
      this.#fill(key, n),
      this.#fill(item, n),
    ]);
    return Object.fromEntries(filled);
  }
}

async function caught(operation, got) {
  try {
    return await operation(got);
  } catch (error) {
    if (!(error instanceof HublessError)) throw error;
    return { error: errorFields(error) };
  }
}

function addTool(name) {
  const integer = { type: 'integer' };
  const properties = { a: integer, b: integer };
  return tool({
    name,
    description: 'adds two numbers',
    input: { type: 'object', properties, required: ['a', 'b'], additionalProperties: false },
    run: ({ a, b }) => a + b,
  });
}

function contentOf(content) {
  if (!content?.parts) return content?.value;
  return new Content(content.parts.map(partOf), content.metadata);
}

function partOf({ text: string, data: value, blob: bytes, uri: address, role, metadata }) {
  const options = { role, metadata };
  if (string !== undefined) return text(string, options);
  if (address) return uri(address.uri, { ...address, ...options });
  if (!bytes) return data(value, options);
  const { mediaType, filename, size, streamed, sha256 } = bytes;
  const source = streamed ? pattern(size) : patternBytes(size);
  return blob(source, { mediaType, filename, size, sha256, ...options });
}

function deep() {
  let value = [];
  for (let level = 1; level < DEEP_LEVELS; level++) value = [value];
  return value;
}

/** What came of requests made at once: counted with their codes, and by kind alone. */
function countOutcomes(got) {
  const errors = got.map(({ error }) => error ?? { kind: 'ok', code: '' });
  const outcomes = count(errors.map(({ kind, code }) => (code ? `${kind}/${code}` : kind)));
  return { outcomes, kinds: count(errors.map(({ kind }) => kind)) };
}

function count(words) {
  const counts = {};
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1;
  return counts;
}

function errorFields(error) {
  const { kind, code = '', field, message, pointer, limit = null, candidates } = error;
  const { origin, traceId } = error;
  const retry = typeof error.retry === 'object' ? 'after' : error.retry;
  const rejection = error.name === 'Rejected';
  const said = { kind, code, field, message, pointer, limit, candidates, origin, traceId };
  return { ...said, retry, retryAfterMs: error.retry?.afterMs, rejection };
}

/** Cuts long texts: a report is to be read. */
function shortened(value) {
  if (typeof value === 'string') return value.slice(0, SHOWN_CHARACTERS);
  if (Array.isArray(value)) return value.map(shortened);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, shortened(one)]));
}
