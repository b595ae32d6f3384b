/** Tests of the renderer's pictures. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderChart } from './chart.mjs';

const values = [
  { month: 1, rain: 4.5 },
  { month: 2, rain: 11 },
];
const encoding = {
  x: { field: 'month', type: 'ordinal' },
  y: { field: 'rain', type: 'quantitative' },
};

test('renders inline data to svg with the values readable', async () => {
  const { svg, marks } = await renderChart({ spec: { data: { values }, mark: 'bar', encoding } });
  assert.equal(marks, 2);
  assert.match(svg, /^<svg /);
  assert.match(svg, /aria-label="month: 1; rain: 4\.5"/);
});

test('takes the size asked for', async () => {
  const spec = { data: { values }, mark: 'bar', encoding };
  const { svg } = await renderChart({ spec, width: 640, height: 123 });
  assert.match(svg, /width="6\d\d"/);
});

test('fetches nothing', async () => {
  const spec = { data: { url: 'http://127.0.0.1:9/data.json' }, mark: 'bar', encoding };
  await assert.rejects(renderChart({ spec }), /nothing is fetched/);
});

test('refuses what is no chart', async () => {
  await assert.rejects(renderChart({ spec: { nothing: true } }));
});
