/** What a node keeps for its user: templates, credentials, pins. Thin; the core keeps them. */

import { Encoder } from './content.js';
import type { CredentialProvider, Offers } from './offers.js';
import type { RequestOptions } from './options.js';
import { encodeTools } from './request.js';
import { jsonSchemaOf } from './schema.js';
import type { Session } from './session.js';

/**
 * What many requests have in common; it never holds ids, deadlines or keys of repetition.
 *
 * @example
 * const template: Template = { content: 'Ada', metadata: { from: 'a template' } };
 * await node.templates.set('ada', template);
 * assert.equal((await node.send({ agent: 'greet', template: 'ada' })).output?.text, 'hello Ada');
 */
export interface Template
  extends Pick<
    RequestOptions,
    'context' | 'auth' | 'inputSchema' | 'outputSchema' | 'tools' | 'metadata'
  > {
  /** What is asked where the request has no content. */
  content?: unknown;
}

/**
 * Templates by name.
 *
 * @example
 * await node.templates.set('ada', { content: 'Ada' });
 * assert.deepEqual(await node.templates.list(), ['ada']);
 */
export class Templates {
  readonly #session: Session;

  /** Made by the node. */
  constructor(session: Session) {
    this.#session = session;
  }

  /** Stores a template. */
  async set(name: string, template: Template): Promise<void> {
    const encoder = new Encoder();
    const { content, tools, ...rest } = template;
    const body = {
      ...rest,
      content: content === undefined ? undefined : encoder.content(content),
      inputSchema: jsonSchemaOf(template.inputSchema, 'input', 'inputSchema'),
      outputSchema: jsonSchemaOf(template.outputSchema, 'output', 'outputSchema'),
      tools: encodeTools(tools),
    };
    await this.#session.run('template.set', { name, template: body }, encoder.attachments);
  }

  /** Removes a template. */
  async remove(name: string): Promise<void> {
    await this.#session.run('template.remove', { name });
  }

  /** Lists the names of the stored templates. */
  async list(): Promise<string[]> {
    return (await this.#session.run<{ templates: string[] }>('template.list')).templates;
  }
}

/**
 * Credentials by target: an agent id, a mesh or the origin of a URL; the longest match counts.
 *
 * @example
 * const requirements = { auth: { sharedSecret: 'open-sesame' } };
 * const cave = await node.agent({ name: 'cave', requirements }, () => 'in');
 * await node.credentials.set(cave.agentId, 'open-sesame', { scheme: 'shared_secret' });
 * assert.equal((await node.request('cave')).value, 'in');
 */
export class Credentials {
  readonly #session: Session;
  readonly #offers: Offers;

  /** Made by the node. */
  constructor(session: Session, offers: Offers) {
    this.#session = session;
    this.#offers = offers;
  }

  /** Sets a secret, or a function that gives it when it is needed. */
  async set(
    target: string,
    credential: string | CredentialProvider,
    options: { scheme?: string } = {},
  ): Promise<void> {
    const { scheme } = options;
    if (typeof credential === 'string') {
      await this.#session.run('credential.set', { target, scheme, secret: credential });
      return;
    }
    this.#offers.providers.set(target, credential);
    await this.#session.run('credential.set', { target, scheme, provider: target });
  }

  /** Removes what was set for a target. */
  async remove(target: string): Promise<void> {
    await this.#session.run('credential.remove', { target });
    this.#offers.providers.delete(target);
  }
}

/**
 * Which key a name belongs to, as first seen.
 *
 * @example
 * const cave = await node.agent({ name: 'cave' }, () => 'in');
 * await node.pins.set('cave', cave.agentId);
 * assert.deepEqual(await node.pins.list(), [{ name: 'cave', agentId: cave.agentId }]);
 */
export class Pins {
  readonly #session: Session;

  /** Made by the node. */
  constructor(session: Session) {
    this.#session = session;
  }

  /** Lists all pins. */
  async list(): Promise<{ name: string; agentId: string }[]> {
    return (await this.#session.run<{ pins: { name: string; agentId: string }[] }>('pin.list'))
      .pins;
  }

  /** Pins a name to an agent, also against an earlier pin. */
  async set(name: string, agentId: string): Promise<void> {
    await this.#session.run('pin.set', { name, agentId });
  }

  /** Removes a pin. */
  async remove(name: string): Promise<void> {
    await this.#session.run('pin.remove', { name });
  }
}
