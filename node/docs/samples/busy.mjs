import { Node, Rejected } from 'hubless';

const drawing = new EventTarget();
const begun = new Promise((resolve) => drawing.addEventListener('begun', resolve));
const over = new Promise((resolve) => drawing.addEventListener('over', resolve));
const node = await Node.start();
await node.agent({ name: 'draw', requirements: { maxConcurrency: 1, queue: 0 } }, async () => {
  drawing.dispatchEvent(new Event('begun'));
  await over;
  return 'drawn';
});
const first = node.request('draw');
await begun;
try {
  await node.request('draw');
} catch (error) {
  if (!(error instanceof Rejected)) throw error;
  console.log(`${error.kind}/${error.code}: ${error.message}`);
  console.log('again after some time:', error.retry === 'never' ? 'no' : 'yes');
}
drawing.dispatchEvent(new Event('over'));
await first;
const again = { effect: 'PURE', retry: { attempts: 3, on: ['busy'] } };
console.log((await node.request('draw', undefined, again)).value);
await node.close();
