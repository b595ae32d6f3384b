/** The subject agents that have to do with budgets. */

import { EventEmitter } from 'node:events';
import { factory, HublessError } from '../../../../node/dist/index.mjs';

/** Their handlers and options, by name. */
export function spenders(node) {
  return {
    spender: { skill: 'spend', effect: 'AT_MOST_ONCE', spends: 'tokens', handler: spend },
    metered: { skill: 'spend', effect: 'AT_MOST_ONCE', spends: 'tokens', handler: metered },
    thrifty: { skill: 'spend', spends: 'none', handler: spend },
    silent: { spends: 'tokens', handler: () => 'ok' },
    needy: {
      needs: { grant: 'required' },
      handler: async (_input, ctx) => {
        await ctx.spend({});
        return 'ok';
      },
    },
    pass: { handler: pass },
    clone: { handler: factory(() => ({ handle: pass })) },
    stray: { handler: stray(node) },
  };
}

async function spend({ most, used, times = 1 }, ctx) {
  for (let n = 0; n < times; n++) {
    const { inputTokens: maxInput, outputTokens: maxOutput, costMicros: maxCost } = most;
    const open = await ctx.spend({ maxInput, maxOutput, maxCost });
    if (!used) continue;
    open.used({ input: used.inputTokens, output: used.outputTokens, cost: used.costMicros });
  }
  return { spent: times, granted: ctx.granted ?? null };
}

const ASKED = { model: 'm', max_tokens: 9, messages: [{ role: 'user', content: 'hello' }] };

async function metered({ most, times = 1 }, ctx) {
  const { inputTokens: maxInput, outputTokens: maxOutput, costMicros: maxCost } = most;
  const { baseUrl, apiKey } = await ctx.provider({ maxInput, maxOutput, maxCost });
  const headers = { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' };
  const post = { method: 'POST', headers, body: JSON.stringify(ASKED) };
  let [answered, status] = [0, 200];
  while (status === 200 && answered < times) {
    const response = await fetch(`${baseUrl}/chat/completions`, post);
    await response.text();
    status = response.status;
    if (status === 200) answered++;
  }
  return { answered, status };
}

async function pass({ to: [next, ...others], value }, ctx) {
  await ctx.spend({});
  const input = others.length > 0 ? { to: others, value } : value;
  return (await ctx.node.request(next, input, { waitMs: 20_000 })).value;
}

/** Loses its call in every way that was set up here, before any call. */
function stray(node) {
  const ways = { emitter: emitter(node), pool: pool(node), timer: timer(node) };
  return async ({ to }, ctx) => {
    await ctx.spend({});
    const outcome = { drawn: [], refused: [] };
    for (const [name, ask] of Object.entries(ways)) {
      try {
        await new Promise((resolve) => ask(to, resolve));
        outcome.drawn.push(name);
      } catch (error) {
        if (!isOrphan(error)) throw error;
        outcome.refused.push(name);
      }
    }
    return outcome;
  };
}

function isOrphan(error) {
  const { kind, code } = error;
  return error instanceof HublessError && kind === 'configuration' && code === 'orphan';
}

function emitter(node) {
  const asked = new EventEmitter();
  asked.on('ask', (to, answer) => answer(node.request(to, '?')));
  return (to, answer) => asked.emit('ask', to, answer);
}

function pool(node) {
  const jobs = [];
  let wake = () => {};
  const work = async () => {
    for (;;) {
      if (jobs.length === 0) await new Promise((resolve) => (wake = resolve));
      for (const { to, answer } of jobs.splice(0)) answer(node.request(to, '?'));
    }
  };
  work();
  return (to, answer) => {
    jobs.push({ to, answer });
    wake();
  };
}

const INTERVAL_MS = 5;

function timer(node) {
  const jobs = [];
  const ask = () => {
    for (const { to, answer } of jobs.splice(0)) answer(node.request(to, '?'));
  };
  setInterval(ask, INTERVAL_MS).unref();
  return (to, answer) => jobs.push({ to, answer });
}
