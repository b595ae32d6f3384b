/** The chain's Node.js part; see `tests/chaos/CHAOS.md`. */

import { once } from 'node:events';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { HublessError, Node } from '../../../node/dist/index.mjs';

// The next one may be starting again.
const WAIT_MS = 3000;

const { values } = parseArgs({ options: { provider: { type: 'string' } } });

/** One handler's connection to the provider. */
class Paying {
  #socket = connect(values.provider);
  #lines = createInterface(this.#socket);

  async ask(...words) {
    const answer = once(this.#lines, 'line');
    this.#socket.write(`${words.join(' ')}\n`);
    const [line] = await answer;
    return line.split(' ');
  }

  /** Says that the handler ended. */
  end() {
    this.#socket.end('done\n');
  }
}

/** Calls the next one and gives how many answered; it may be dead, or there may be too little. */
async function on({ to, content, max }) {
  try {
    return (await node.request(to, content, { max, waitMs: WAIT_MS })).value;
  } catch (error) {
    if (!(error instanceof HublessError) || error.kind === 'killed') throw error;
    return 0;
  }
}

async function link({ label, input, output, next }, ctx) {
  const { inputTokens, outputTokens } = ctx.granted ?? { inputTokens: 0, outputTokens: 0 };
  const [maxInput, maxOutput] = [Math.min(input, inputTokens), Math.min(output, outputTokens)];
  const paying = new Paying();
  try {
    await paying.ask('call', 'node', label);
    await ctx.spend({ maxInput, maxOutput }, async (spend) => {
      const [tookIn, tookOut] = await paying.ask('spend', maxInput, maxOutput);
      spend.used({ input: Number(tookIn), output: Number(tookOut) });
    });
    return 1 + (next ? await on(next) : 0);
  } finally {
    paying.end();
  }
}

const node = await Node.start({ name: 'node' });
await node.register(
  { link },
  {
    name: 'node.link',
    skills: { link: { spends: 'tokens' } },
    requirements: { maxConcurrency: 1024 },
  },
);
process.stdout.write(`${JSON.stringify({ event: 'ready' })}\n`);
await node.serve({ untilStdinEnds: true });
