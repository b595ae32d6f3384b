/** Only a request is pending, answered by a thread of the library: it must not be cut off. */
import { Node } from 'hubless';

const node = await Node.start();
const waiting = node.find({ skill: 'nobody' }, { waitMs: 300 });
const began = performance.now();
const found = await waiting;
console.log(found.length === 0 && performance.now() - began > 250 ? 'as expected' : 'cut off');
