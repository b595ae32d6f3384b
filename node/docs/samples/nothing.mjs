import { HublessError, Node } from 'hubless';

const node = await Node.start();
const found = async (options) => (await node.find('translates french', options)).length;
console.log(await found({ waitMs: 0 }), 'found');
try {
  await node.peer('translates french', { waitMs: 0 });
} catch (error) {
  if (!(error instanceof HublessError)) throw error;
  console.log(`${error.kind}: ${error.message}`);
}
await node.agent(
  { name: 'translate', description: 'Translates a text into French.' },
  (text) => `${text}, en français`,
);
console.log(await found(), 'found');
await node.close();
