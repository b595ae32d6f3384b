/** The package as CommonJS sees it: loaded, used, closed. */
const { Node, HublessError, current } = require('hubless');

async function main() {
  const node = await Node.start();
  await node.agent({ name: 'greet' }, (name) => `${current().skill ?? 'any'}: ${name}`);
  const reply = await node.request('greet', 'as expected', { skill: 'greet' });
  const refused = await node.request('greet', 1, { skill: 'no' }).catch((error) => error);
  await node.close();
  if (refused instanceof HublessError) console.log(reply.value.replace('greet: ', ''));
}
main();
