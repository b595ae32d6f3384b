/** What a case may do besides asking: stores, own agents, lists, watching. */

import { Endurance } from './endurance.mjs';

const EVENT_WAIT_MS = 20_000;
const DONE = { done: true };

/** Runs the actions that are not requests, through one node; those that last are inherited. */
export class Operations extends Endurance {
  #node;
  #own = new Map();
  #runs = {};

  constructor(node) {
    super(node);
    this.#node = node;
  }

  async templateSet({ name, template }) {
    await this.#node.templates.set(name, template);
    return DONE;
  }

  async templateRemove(name) {
    await this.#node.templates.remove(name);
    return DONE;
  }

  async templateList() {
    return { found: await this.#node.templates.list() };
  }

  async credentialSet({ target, secret }) {
    await this.#node.credentials.set(target, secret);
    return DONE;
  }

  async credentialRemove(target) {
    await this.#node.credentials.remove(target);
    return DONE;
  }

  async pinSet({ name, agentId }) {
    await this.#node.pins.set(name, agentId);
    return DONE;
  }

  async pinRemove(name) {
    await this.#node.pins.remove(name);
    return DONE;
  }

  async pinList() {
    const pins = await this.#node.pins.list();
    return { value: Object.fromEntries(pins.map(({ name, agentId }) => [name, agentId])) };
  }

  /** An agent in the runner's own node, which answers `own`. */
  async register({ name, identity: stored, ...options }) {
    const handler = () => {
      this.#runs[name] = (this.#runs[name] ?? 0) + 1;
      return 'own';
    };
    const identity = stored && { stored };
    this.#own.set(name, await this.#node.agent({ name, identity, ...options }, handler));
    return DONE;
  }

  async unregister(name) {
    await this.#own.get(name).unregister();
    return DONE;
  }

  async ownRuns(name) {
    return { value: this.#runs[name] ?? 0 };
  }

  /** Whether an own agent would take a request. */
  async check(name, content, options) {
    const rejection = await this.#own.get(name).check({ ...options, content });
    return rejection ? { rejection } : { value: 'accepted' };
  }

  async describe(name) {
    return { value: await this.#node.describe(name) };
  }

  async list(scope) {
    return found(await this.#node.listAgents(scope));
  }

  async load(descriptors) {
    const { loaded, refused } = await this.#node.loadAgents(descriptors);
    return { value: { loaded, refused: refused.map(({ kind }) => kind) } };
  }

  async discover(query) {
    const signal = AbortSignal.timeout(EVENT_WAIT_MS);
    for await (const peer of this.#node.discover(query, { signal })) return found([peer]);
    return found([]);
  }

  /** The snapshot first, then one event for each step. */
  async watch(query, steps) {
    const signal = AbortSignal.timeout(EVENT_WAIT_MS);
    const events = [];
    const left = [...steps];
    for await (const event of this.#node.watch(query, { signal })) {
      if (event.type !== 'snapshot') events.push([event.type, event.name ?? event.peer.name]);
      const step = left.shift();
      if (!step) break;
      await step();
    }
    return { events };
  }
}

/** Names of what was found. */
export function found(peers) {
  return { found: peers.map((peer) => peer.name) };
}
