import { Node, Rejected } from 'hubless';

const alice = { allowedCallers: { principals: ['http:token:alice'] } };
const everybody = { allowedCallers: { principals: ['*'] } };
const node = await Node.start();
await node.agent({ name: 'ledger', requirements: alice }, () => 'every booking');
await node.agent({ name: 'noticeboard', requirements: everybody }, () => 'every notice');
try {
  await node.request('ledger');
} catch (error) {
  if (!(error instanceof Rejected)) throw error;
  console.log(`${error.kind}/${error.code}: ${error.message}`);
}
console.log((await node.request('noticeboard')).value);
await node.close();
