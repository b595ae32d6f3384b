/**
 * The demo's renderer: an agent that makes SVG charts of Vega-Lite specifications.
 * Events as `tests/demo/DEMO.md` says; `node renderer.mjs --name chart-renderer [--slow-ms N]`.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Node } from 'hubless';
import { z } from 'zod';
import { renderChart } from './chart.mjs';

const { values } = parseArgs({
  options: {
    name: { type: 'string', default: 'chart-renderer' },
    'slow-ms': { type: 'string', default: '0' },
  },
});
const slowMs = Number(values['slow-ms']);

const Chart = z.object({
  spec: z.record(z.string(), z.json()).describe('Vega-Lite specification with inline data'),
  width: z.int().min(16).max(4096).optional(),
  height: z.int().min(16).max(4096).optional(),
});
const Picture = z.object({ svg: z.string(), marks: z.int(), ms: z.number() });

function tell(event, fields) {
  const t_ms = Math.round(performance.now());
  process.stdout.write(`${JSON.stringify({ event, t_ms, ...fields })}\n`);
}

async function render_chart(chart, { signal, caller }) {
  const began = performance.now();
  tell('drawing', { nodeKey });
  if (slowMs > 0) await sleep(slowMs, undefined, { signal });
  const picture = await renderChart(chart);
  const ms = Math.round((performance.now() - began) * 10) / 10;
  tell('served', { skill: 'render_chart', caller: caller.agent ?? caller.principal, ms });
  return { ...picture, ms };
}

const node = await Node.start();
const agent = await node.register(
  { render_chart },
  {
    name: values.name,
    description: 'Renders Vega-Lite charts to SVG',
    tags: ['chart', 'svg'],
    skills: {
      render_chart: {
        description: 'Render a Vega-Lite chart with inline data to an SVG picture',
        tags: ['chart', 'svg'],
        effect: 'PURE',
        attributes: { language: 'node' },
        input: Chart,
        output: Picture,
      },
    },
  },
);
const { nodeKey } = node;
const { name, address } = agent;
tell('ready', { language: 'node', name, nodeKey, address, pid: process.pid });
await node.serve({ untilStdinEnds: true });
