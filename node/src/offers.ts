/**
 * What a caller offers its callees while they work: tools, answers to questions, credentials.
 * Owns the functions of open requests. Tested by `test/tools.test.mjs`.
 */

import { AsyncResource } from 'node:async_hooks';
import { runUnder } from './ambient.js';
import { decodeContent, Encoder, plain } from './content.js';
import { HublessError, messageOf, toFailure } from './errors.js';
import type { InputQuestion, RequestOptions, Tool } from './options.js';
import { validate } from './schema.js';
import { EVENT, type Session } from './session.js';
import type { WireContent } from './wire.js';

/**
 * What a provider gives for a target; undefined when it has nothing.
 *
 * @example
 * const credential: Credential = { scheme: 'bearer', secret: 'open-sesame' };
 * await node.credentials.set('https://example.org', () => credential);
 */
export type Credential = string | { scheme?: string; secret: string } | undefined;

/**
 * Gives a credential when one is needed.
 *
 * @example
 * const provider: CredentialProvider = async (target) => `the secret for ${target}`;
 * await node.credentials.set('https://example.org', provider);
 */
export type CredentialProvider = (target: string) => Credential | Promise<Credential>;

interface Offer {
  tools: ReadonlyMap<string, Tool>;
  onInput: RequestOptions['onInput'];
  /** Runs in the async context of the request, not in that of the doorbell. */
  scope: AsyncResource;
}

/** The offers of one session. */
export class Offers {
  readonly #session: Session;
  readonly #open = new Map<number, Offer>();
  readonly #running = new Map<number, AbortController>();
  /** Credential providers by their key. */
  readonly providers = new Map<string, CredentialProvider>();

  /** Listens to the session's events. */
  constructor(session: Session) {
    this.#session = session;
    session.on(EVENT.tool, (id, body: ToolEvent) => void this.#tool(id, body));
    session.on(EVENT.input, (id, body: InputEvent, sent) => void this.#input(id, body, sent));
    session.on(EVENT.credential, (id, body: CredentialEvent) => void this.#credential(id, body));
  }

  /** Opens the offers of a request, if it makes any. */
  open(ticket: number, options: RequestOptions): void {
    const { onInput, killSwitch } = options;
    if (!options.tools?.length && !onInput && !killSwitch) return;
    const tools = new Map((options.tools ?? []).map((tool) => [tool.name, tool as Tool]));
    const enter = () => new AsyncResource('HublessRequest');
    // The switch is kept for as long as the request is open, and pays for what a tool asks for.
    const scope = killSwitch ? runUnder(killSwitch, enter) : enter();
    this.#open.set(ticket, { tools, onInput, scope });
  }

  /** Ends the offers of a request. */
  close(ticket: number): void {
    this.#open.delete(ticket);
  }

  /** Stops a tool that runs; what it still answers is ignored. */
  cancel(id: number): void {
    const fields = { kind: 'cancelled', operation: 'tool', message: 'cancelled' } as const;
    this.#running.get(id)?.abort(new HublessError(fields));
  }

  async #tool(id: number, event: ToolEvent): Promise<void> {
    const offer = this.#open.get(event.request);
    await this.#run(id, 'tool', offer, async (signal) => {
      const tool = offer?.tools.get(event.name);
      if (!tool) throw new Error(`no tool ${event.name} is offered`);
      const input = await validate(tool.input, event.arguments, 'tool');
      const result = await tool.run(input, { signal });
      return validate(tool.output, result, 'tool');
    });
  }

  async #input(id: number, event: InputEvent, sent: readonly Uint8Array[]): Promise<void> {
    const offer = this.#open.get(event.request);
    const prompt = decodeContent(this.#session, event.prompt, sent);
    const question: InputQuestion = {
      value: plain(prompt),
      text: prompt.text,
      schema: event.schema,
    };
    await this.#run(id, 'input', offer, async () => offer?.onInput?.(question));
  }

  async #run(
    id: number,
    what: 'tool' | 'input',
    offer: Offer | undefined,
    work: (signal: AbortSignal) => Promise<unknown>,
  ): Promise<void> {
    const controller = new AbortController();
    this.#running.set(id, controller);
    try {
      const { signal } = controller;
      const result = await (offer ? offer.scope.runInAsyncScope(work, null, signal) : work(signal));
      const encoder = new Encoder();
      const content = encoder.content(result);
      const opening = encoder.open(this.#session);
      if (opening) await opening;
      const { done } = this.#session.start(`${what}.final`, { id, content }, encoder.attachments);
      encoder.pump(this.#session);
      await done;
    } catch (error) {
      const { kind, code, message } = toFailure(error);
      this.#session.answer(`${what}.fail`, { id, kind, code, message });
    } finally {
      this.#running.delete(id);
    }
  }

  async #credential(id: number, event: CredentialEvent): Promise<void> {
    try {
      const found = await this.providers.get(event.key)?.(event.target);
      const credential = typeof found === 'string' ? { secret: found } : found;
      this.#session.answer('credential.result', { id, ...(credential ?? { none: true }) });
    } catch (error) {
      process.emitWarning(`a credential provider failed: ${messageOf(error)}`, 'HublessWarning');
      this.#session.answer('credential.result', { id, failed: true });
    }
  }
}

interface ToolEvent {
  request: number;
  name: string;
  arguments: unknown;
}

interface InputEvent {
  request: number;
  prompt: WireContent;
  schema?: Record<string, unknown>;
}

interface CredentialEvent {
  key: string;
  target: string;
}
