/** The runaway's Node.js part; see `tests/demo/RUNAWAY.md`. */

import { once } from 'node:events';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { HublessError, Node } from 'hubless';

const NEXT = 'kotlin.runaway';
const FEW = 4;

const { values } = parseArgs({ options: { provider: { type: 'string' } } });

function tell(event, fields) {
  process.stdout.write(`${JSON.stringify({ event, at_ms: Date.now(), ...fields })}\n`);
}

/** Asks the provider, and gives the number of tokens that it wrote. */
async function write(most) {
  const socket = connect(Number(values.provider), '127.0.0.1');
  socket.write(`node ${most}\n`);
  const [line] = await once(createInterface(socket), 'line');
  socket.destroy();
  return Number(line);
}

/** Calls the next one; that there is nothing left for it is no reason to stop. */
async function on(value) {
  try {
    await node.request(NEXT, value);
  } catch (error) {
    if (!(error instanceof HublessError) || error.kind !== 'budget_exhausted') throw error;
  }
}

async function think(value, ctx) {
  const left = ctx.granted?.outputTokens;
  if (left == null) throw new HublessError({ kind: 'budget_exhausted', message: 'no budget' });
  const most = left <= FEW ? left : Math.floor(left / 4);
  await ctx.spend({ maxOutput: most }, async (spend) => {
    spend.used({ output: await write(most) });
  });
  if (left > FEW) await Promise.all([on(value), on(value)]);
}

async function watch(_, { signal }) {
  tell('watching');
  if (!signal.aborted) await once(signal, 'abort');
  tell('stopped');
}

const node = await Node.start();
await node.register(
  { think },
  {
    name: 'node.runaway',
    skills: { think: { spends: 'tokens' } },
    requirements: { maxConcurrency: 1024 },
  },
);
await node.register({ watch }, { name: 'node.watcher', skills: { watch: { spends: 'none' } } });
tell('ready');
await node.serve({ untilStdinEnds: true });
