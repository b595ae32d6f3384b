/** The README shows the programs that are tested, and they are short. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { packageFolder } from './support.mjs';

const read = (name) => readFileSync(join(packageFolder, name), 'utf8');
const blocks = [...read('README.md').matchAll(/```js\n([\s\S]*?)```/g)].map((match) => match[1]);

['examples/hello_agent.mjs', 'examples/hello_caller.mjs', 'examples/budget.mjs'].forEach(
  (name, index) => {
    test(`the README shows ${name}, of at most ten lines`, () => {
      const program = read(name);
      assert.equal(blocks[index], program);
      assert.ok(program.split('\n').filter((line) => line.trim()).length <= 10);
    });
  },
);
