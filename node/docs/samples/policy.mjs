import { Node, Rejected } from 'hubless';

async function refusal(node, text, options) {
  try {
    return (await node.request('vault', text, options)).value;
  } catch (error) {
    if (error instanceof Rejected) return error.kind;
    throw error;
  }
}

const requirements = { auth: { sharedSecret: 'letmein' }, maxTokens: 20 };
const key = { auth: { scheme: 'shared_secret', secret: 'letmein' } };
const node = await Node.start();
await node.agent({ name: 'vault', requirements }, (text) => `kept ${text}`);
console.log('with the secret:', await refusal(node, 'gold', key));
console.log('without it:', await refusal(node, 'gold'));
console.log('too long:', await refusal(node, 'gold '.repeat(50), key));
await node.close();
