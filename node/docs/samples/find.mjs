import { Node } from 'hubless';

const names = (peers) => peers.map((peer) => peer.name).join(' ');
const node = await Node.start();
await node.agent(
  {
    name: 'rate',
    description: 'Exchange rate of a pair of currencies.',
    attributes: { pair: ['EUR/USD'] },
  },
  () => 1.0862,
);
await node.agent(
  { name: 'forecast', description: 'Weather of tomorrow in a city.', tags: ['outdoors'] },
  ({ city }) => `sunny in ${city}`,
);
const filter = { field: 'attributes.pair', op: 'contains', value: 'EUR/USD' };
console.log('by words:', names(await node.find('exchange rate')));
console.log('by tag:', names(await node.find({ tags: ['outdoors'] })));
console.log('by fact:', names(await node.find({ filter })));
await node.close();
