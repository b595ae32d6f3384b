/**
 * What ids, keys, addresses and names say by themselves, and the bounds of the library. Knows no
 * node; the core answers.
 * Tested by `test/vectors.test.mjs`, with the vectors that every language runs.
 */

import { ask } from './ask.js';

/**
 * What a text is read as; `target` is whatever a request can be for: id, address or name.
 *
 * @example
 * const kind: IdentityKind = 'name';
 * await assert.rejects(inspectId('a b', { kind }), { code: 'bad_name' });
 */
export type IdentityKind = 'agentId' | 'nodeKey' | 'meshId' | 'address' | 'name' | 'target';

/**
 * A text that names an agent, a node or a mesh, as read.
 *
 * @example
 * const read: Identity = await inspectId('Greet');
 * assert.equal(read.text, 'greet');
 */
export interface Identity {
  /** The canonical form. */
  readonly text: string;
  /** The Ed25519 public key of an agent id: 64 lower-case hexadecimal digits. */
  readonly key?: string;
  /** The short address of an agent id within the mesh that was given. */
  readonly address?: string;
}

/** As the contract gives it: what an id cannot say is null. */
interface WireIdentity {
  text: string;
  key?: string | null;
  address?: string | null;
}

/**
 * Reads an id, key, address or name without a node, without asking anybody.
 *
 * @param text - the text
 * @param options - `kind`: what it is to be, default `target`; `mesh`: the id of the mesh in which
 *   the address of an agent id is wanted
 * @throws HublessError - kind `invalid_argument` with a code such as `bad_did` or `bad_name`
 *
 * @example
 * const { text } = await inspectId('7:abcd.ef01.2345', { kind: 'address' });
 * assert.equal(text, '7:ABCD.EF01.2345');
 */
export async function inspectId(
  text: string,
  options: { kind?: IdentityKind; mesh?: string } = {},
): Promise<Identity> {
  const { kind, mesh } = options;
  const read = ask<WireIdentity>('id.inspect', { text, kind, mesh });
  return { text: read.text, key: read.key ?? undefined, address: read.address ?? undefined };
}

/**
 * Gives every bound of the library, by the name that `limit` of an error says: times in
 * milliseconds, sizes in bytes. Needs no node.
 *
 * @example
 * assert.equal((await limits()).DEADLINE, 60_000);
 */
export async function limits(): Promise<Readonly<Record<string, number>>> {
  return ask<{ limits: Record<string, number> }>('limits').limits;
}
