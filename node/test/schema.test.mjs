/** Schemas of the user's own library. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toStandardJsonSchema } from '@valibot/to-json-schema';
import { type } from 'arktype';
import { HublessError, tool } from 'hubless';
import * as v from 'valibot';
import { z } from 'zod';
import { isError, startNode } from './support.mjs';

const libraries = {
  zod: z.object({ name: z.string() }),
  arktype: type({ name: 'string' }),
  valibot: toStandardJsonSchema(v.object({ name: v.string() })),
  'JSON Schema': {
    type: 'object',
    properties: { name: { type: 'string' } },
    required: ['name'],
  },
};
for (const [library, input] of Object.entries(libraries)) {
  test(`${library} describes and guards the input`, async (t) => {
    const node = await startNode(t);
    let runs = 0;
    await node.agent({ name: 'greet', input }, ({ name }) => {
      runs += 1;
      return `hello ${name}`;
    });
    assert.equal((await node.request('greet', { name: 'Ada' })).value, 'hello Ada');
    const refused = isError({ kind: 'json', name: 'Rejected', pointer: '/name' });
    await assert.rejects(node.request('greet', { name: 5 }), refused);
    assert.equal(runs, 1);
    const { skills } = await node.describe('greet');
    assert.equal(skills[0].inputSchema.properties.name.type, 'string');
  });
}

test('a schema without a JSON form still guards, by its own validation', async (t) => {
  const node = await startNode(t);
  let runs = 0;
  const input = v.object({ name: v.string() });
  await node.agent({ name: 'greet', input }, () => ++runs);
  assert.equal((await node.request('greet', { name: 'Ada' })).value, 1);
  const refused = isError({ kind: 'json', name: 'Rejected' });
  await assert.rejects(node.request('greet', { name: 5 }), refused);
  assert.equal(runs, 1);
});

test('defaults, transforms and refinements of the library count', async (t) => {
  const node = await startNode(t);
  const input = z.object({
    day: z.iso.date().transform((text) => new Date(text)),
    n: z.number().default(3),
    even: z.number().refine((n) => n % 2 === 0, 'must be even'),
  });
  await node.agent({ name: 'typed', input }, ({ day, n, even }) => [day.getUTCFullYear(), n, even]);
  assert.deepEqual(
    (await node.request('typed', { day: '2026-01-02', even: 2 })).value,
    [2026, 3, 2],
  );
  const odd = node.request('typed', { day: '2026-01-02', even: 1 });
  await assert.rejects(odd, /must be even/);
});

for (const [library, schema] of Object.entries(libraries)) {
  test(`${library} describes and guards the answer`, async (t) => {
    const node = await startNode(t);
    await node.agent({ name: 'gives', output: schema }, (value) => value);
    assert.deepEqual((await node.request('gives', { name: 'Ada' })).value, { name: 'Ada' });
    await assert.rejects(node.request('gives', { name: 5 }), isError({ kind: 'json' }));
    await assert.rejects(node.request('gives', {}), isError({ kind: 'json' }));
    const { skills } = await node.describe('gives');
    assert.equal(skills[0].outputSchema.properties.name.type, 'string');
  });

  test(`${library} describes and guards what a tool takes`, async (t) => {
    const node = await startNode(t);
    let runs = 0;
    await node.agent({ name: 'uses' }, async (input, ctx) => ({
      type: ctx.tools[0].inputSchema.properties.name.type,
      said: await ctx.callTool('greet', input),
    }));
    const run = ({ name }) => {
      runs += 1;
      return `hello ${name}`;
    };
    const tools = [tool({ name: 'greet', input: schema, run })];
    const { value } = await node.request('uses', { name: 'Ada' }, { tools });
    assert.deepEqual(value, { type: 'string', said: 'hello Ada' });
    const wrong = node.request('uses', { name: 5 }, { tools });
    await assert.rejects(wrong, isError({ kind: 'json' }));
    assert.equal(runs, 1);
  });
}

const { 'JSON Schema': _, ...standard } = libraries;
for (const [library, output] of Object.entries(standard)) {
  test(`${library} guards what a tool gives`, async (t) => {
    const node = await startNode(t);
    await node.agent({ name: 'uses' }, (input, ctx) => ctx.callTool('same', input));
    const tools = [tool({ name: 'same', output, run: (value) => value })];
    const right = await node.request('uses', { name: 'Ada' }, { tools });
    assert.deepEqual(right.value, { name: 'Ada' });
    const wrong = node.request('uses', { name: 5 }, { tools });
    await assert.rejects(wrong, isError({ kind: 'json' }));
  });
}

test('the reply is validated and typed by the schema the caller gives', async (t) => {
  const node = await startNode(t);
  await node.agent({ name: 'when' }, () => ({ day: '2026-01-02' }));
  const output = z.object({ day: z.coerce.date() });
  const reply = await node.request('when', null, { output });
  assert.ok(reply.value.day instanceof Date);
  const wrong = node.request('when', null, { output: z.object({ month: z.string() }) });
  await assert.rejects(wrong, isError({ kind: 'json', pointer: '/month' }));
});

test('a schema that has no JSON form in its library is a configuration error', async (t) => {
  const node = await startNode(t);
  const refused = isError({ kind: 'configuration', field: 'input' });
  const input = z.object({ day: z.date() });
  await assert.rejects(
    node.agent({ name: 'dated', input }, () => 1),
    refused,
  );
});

test('schemas of a call hold for that call', async (t) => {
  const node = await startNode(t);
  await node.agent({ name: 'echo' }, (value) => value);
  const schema = { type: 'object', required: ['y'] };
  const input = node.request('echo', { x: 1 }, { inputSchema: schema });
  await assert.rejects(input, isError({ kind: 'json' }));
  const output = node.request('echo', { x: 1 }, { outputSchema: schema });
  await assert.rejects(output, isError({ kind: 'json' }));
  await assert.rejects(node.request('echo', 1, { inputSchema: { type: 7 } }), HublessError);
});
