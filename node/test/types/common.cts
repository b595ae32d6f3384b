/** The types, as CommonJS under strict and nodenext sees them. */

import hubless = require('hubless');
import testing = require('hubless/testing');

export async function uses(): Promise<string> {
  const node: hubless.Node = await hubless.Node.start();
  const reply: hubless.Reply = await node.request('x');
  return reply.text;
}

export async function tested(): Promise<testing.Asked[]> {
  const mesh: testing.TestMesh = await testing.startMesh();
  return (await mesh.fake('x', { steps: [{ answer: { value: 1 } }] })).asked();
}
