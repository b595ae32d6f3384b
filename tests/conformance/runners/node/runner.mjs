/**
 * Conformance runner of Node.js: `serve --name node` and `call --to <language> --cases <path>`,
 * as `tests/conformance/SUBJECT.md` says. Uses the public API of the package only.
 */

import { readdirSync, readFileSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Node } from '../../../../node/dist/index.mjs';
import { CaseRunner } from './cases.mjs';
import { registerSubjects } from './subjects.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    name: { type: 'string', default: 'node' },
    to: { type: 'string' },
    cases: { type: 'string' },
    only: { type: 'string' },
  },
});

/** What is called where the subjects are in the node of the caller itself. */
const OWN = 'own';

const print = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

if (positionals[0] === 'serve') await serve();
else if (positionals[0] === 'call') process.exitCode = (await call()) ? 0 : 1;
else {
  process.stderr.write('usage: runner.mjs serve --name <language> | call --to <language> ...\n');
  process.exitCode = 2;
}

async function serve() {
  const node = await Node.start();
  await registerSubjects(node, values.name);
  print({ ready: values.name, nodeKey: node.nodeKey });
  await node.serve({ untilStdinEnds: true });
}

async function call() {
  const node = await Node.start();
  const tally = { passed: 0, failed: 0 };
  try {
    if (values.to === OWN) await registerSubjects(node, values.to);
    const runner = new CaseRunner(node, values.to);
    await runner.waitForSubject();
    const only = values.only?.split(',');
    for (const one of readCases(values.cases)) {
      if (only && !only.includes(one.id)) continue;
      if (one.waits) readSync(0, Buffer.alloc(8));
      const line = await runner.run(one);
      tally[line.ok ? 'passed' : 'failed'] += 1;
      print(line);
    }
  } finally {
    await node.close();
  }
  print(tally);
  return tally.failed === 0 && tally.passed > 0;
}

function readCases(path) {
  if (!statSync(path).isDirectory()) return JSON.parse(readFileSync(path, 'utf8'));
  const files = readdirSync(path).filter((name) => name.endsWith('.json'));
  return files.sort().flatMap((name) => readCases(join(path, name)));
}
