/** A caller that the peers' own code measures; the first argument names the file with it. */

import { pathToFileURL } from 'node:url';
import { Node } from 'hubless';

const { client } = await import(pathToFileURL(process.argv[2] ?? '').href);

/** Gives what the peers give: a function of a body, on a node of its own. */
async function connect() {
  const node = await Node.start();
  /** @param {string} body */
  return async (body) => {
    const { value } = await node.request('bench', { body });
    return /** @type {{ body: string }} */ (value).body;
  };
}

await client('hubless', connect);
