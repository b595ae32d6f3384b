/** The types, as CommonJS under strict and nodenext sees them. */

import hubless = require('hubless');

export async function uses(): Promise<string> {
  const node: hubless.Node = await hubless.Node.start();
  const reply: hubless.Reply = await node.request('x');
  return reply.text;
}
