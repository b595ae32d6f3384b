/** What is public is explained, and the examples of the explanations are compiled and run. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { defaultNode } from 'hubless';
import { packageFolder, startNode } from './support.mjs';

const folder = join(packageFolder, 'src');
const sources = new Map(
  readdirSync(folder).map((file) => [file, readFileSync(join(folder, file), 'utf8')]),
);
const index = sources.get('index.ts');
const DECLARED = /export (?:async )?(?:class|function|interface|type|const) (\w+)/g;

const NAME = /^ *(?:export |async |static |class |function |interface |type |const )*(\w+)/;

/** The names that `import … from 'hubless'` can name. */
const exported = [
  ...[...index.matchAll(/export (?:type )?\{([^}]*)\} from/g)].flatMap(([, names]) =>
    names.split(',').map((name) => name.replace('type ', '').trim()),
  ),
  ...[...index.matchAll(/export type \* from '\.\/(\w+)\.js'/g)].flatMap(([, file]) =>
    [...sources.get(`${file}.ts`).matchAll(DECLARED)].map(([, name]) => name),
  ),
].filter(Boolean);

/** Every doc comment with the line it explains. */
const docs = [...sources].flatMap(([file, source]) =>
  [...source.matchAll(/\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n(?:\/\/.*\n)?(.*)/g)].map(
    ([, text, line]) => ({ file, text, line }),
  ),
);
const samples = docs
  .filter(({ text }) => text.includes('@example'))
  .map(({ file, text, line }) => {
    const code = text
      .split('@example')[1]
      .replaceAll(/^ *\* ?/gm, '')
      .trim();
    const [, name] = line.match(NAME);
    return { title: `${file}: ${name}`, code, line };
  });

test('every exported name has an example', () => {
  assert.ok(exported.length > 70, `${exported.length} names are exported`);
  for (const name of exported) {
    const shown = new RegExp(`^export (async )?(class|function|interface|type|const) ${name}\\b`);
    assert.ok(
      samples.some(({ line }) => shown.test(line)),
      `${name} has no example`,
    );
  }
});

test('every member of what is exported is explained', () => {
  const open = new RegExp(`^export (?:class|interface) (${exported.join('|')})\\b.*`);
  const member =
    /^ {2}(?!static \{|readonly type =|new \(|private |extends |[\w *]*#|.*import)[*\w]+.*[:(<]/;
  let members = 0;
  for (const [file, source] of sources) {
    const lines = source.split('\n');
    lines.forEach((line, at) => {
      if (!open.test(line)) return;
      const end = lines.indexOf('}', at);
      for (let n = at + 1; n < end; n++) {
        if (!member.test(lines[n])) continue;
        members += 1;
        const before = lines[n - 1].trim().startsWith('// biome-ignore') ? n - 2 : n - 1;
        const explained = lines[before].endsWith('*/');
        assert.ok(explained, `${file}:${n + 1}: ${lines[n].trim()}`);
      }
    });
  }
  assert.ok(members > 250, `${members} members were seen`);
});

const PRELUDE = `
import assert from 'node:assert/strict';
import { createReadStream } from 'node:fs';
import { z } from 'zod';
import { ${exported.join(', ')} } from 'hubless';
`;

const compiled = mkdtempSync(join(packageFolder, 'dist', 'samples-'));
after(() => rmSync(compiled, { recursive: true, force: true }));

function compile() {
  samples.forEach(({ code }, n) => {
    const body = code.replaceAll(/^/gm, '  ');
    const text = `${PRELUDE}\nexport default async (node: Node): Promise<void> => {\n${body}\n};\n`;
    writeFileSync(join(compiled, `sample${n}.mts`), text);
  });
  const config = {
    extends: '../../test/tsconfig.json',
    compilerOptions: { noEmit: false, outDir: '.', rootDir: '.' },
    include: ['*.mts'],
    exclude: [],
  };
  writeFileSync(join(compiled, 'tsconfig.json'), JSON.stringify(config));
  const tsc = join(packageFolder, 'node_modules', '.bin', 'tsc');
  return spawnSync(tsc, ['-p', compiled], { cwd: compiled, encoding: 'utf8' });
}

test('the examples compile as strict TypeScript', () => {
  const { status, stdout, stderr } = compile();
  assert.equal(status, 0, stdout + stderr);
});

/** The agents that examples may ask. */
async function withAgents(t) {
  const node = await startNode(t);
  process.env.HUBLESS_HOME = node.testHome;
  await node.agent({ name: 'greet' }, (name) => `hello ${name}`);
  await node.agent({ name: 'echo' }, (_input, ctx) => ctx.content);
  const description = 'historic exchange rates';
  await node.agent({ name: 'rate', description, tags: ['fx'] }, () => ({ rate: 1.1 }));
  await node.agent({ name: 'summarise' }, async function* () {
    yield 'one ';
    yield 'two';
  });
  return node;
}

const USES_DEFAULT = /^(?:.*await |.*\()(agent|defaultNode|find|peer|register|request)\(/m;
samples.forEach(({ title, code }, n) => {
  test(title, async (t) => {
    const node = await withAgents(t);
    const sample = await import(pathToFileURL(join(compiled, `sample${n}.mjs`)));
    try {
      await sample.default(node);
    } finally {
      if (USES_DEFAULT.test(code)) await (await defaultNode()).close();
    }
  });
});
