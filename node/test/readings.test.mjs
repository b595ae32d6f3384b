/**
 * The vectors that the core reads, through the bridge: every list of every file. What is text in
 * `identity.json` is read in `vectors.test.mjs`, by what users see.
 */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isError, openBridge, packageFolder } from './support.mjs';

const folder = join(packageFolder, '..', 'tests', 'conformance', 'vectors');
const vectors = (name) => JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8'));

/** Lists that hold texts alone. */
const elsewhere = {
  identity: ['agentIds', 'nodeKeys', 'meshIds', 'addresses', 'names', 'targets'],
};

const bytesOf = (row, ...names) => names.map((name) => Buffer.from(row[name], 'hex'));

/** The members of a row by name. */
const only = (row, ...names) => Object.fromEntries(names.map((name) => [name, row[name]]));

/** Whether an error is the refusal that a row says. */
const isRefused = ({ kind, code, field }) =>
  isError({
    kind,
    code: code || undefined,
    ...(field === undefined ? {} : { field: field ?? undefined }),
  });

/** Reads byte strings, and checks what was read or why it was not. */
async function check(bridge, body, pieces, { said, refused }) {
  const reading = bridge.run('bridge.read', body, pieces);
  if (refused) await assert.rejects(reading, isRefused(refused));
  else assert.deepEqual(await reading, said);
}

async function record(bridge, row) {
  const { kind: what, nowMs, refused } = row;
  const said = only(row, 'author', 'seq', 'issuedAtMs', 'expiresAtMs', 'body');
  await check(bridge, { what, nowMs }, bytesOf(row, 'signed', 'signature'), { said, refused });
  const digest = { said: only(row, 'digest') };
  await check(bridge, { what: 'digest' }, bytesOf(row, 'signed'), digest);
}

const frames = (row) => [{ what: 'frames' }, bytesOf(row, 'bytes')];

/** By file and list: how a row is checked. */
const checks = {
  records: { taken: record, refused: record },
  frames: {
    taken: (bridge, row) =>
      check(bridge, ...frames(row), { said: { frames: [only(row, 'type', 'number', 'message')] } }),
    data: (bridge, row) => {
      const one = { type: 'data', number: 34, ...only(row, 'index', 'chunk') };
      return check(bridge, ...frames(row), { said: { frames: [one] } });
    },
    skipped: (bridge, row) => check(bridge, ...frames(row), { said: { frames: [] } }),
    refused: (bridge, row) => check(bridge, ...frames(row), { refused: row }),
  },
  identity: {
    keys: (bridge, row) => {
      const said = only(row, 'publicKey', 'agentId', 'nodeKey', 'mesh', 'address');
      return check(bridge, { what: 'key' }, bytesOf(row, 'seed', 'mesh'), { said });
    },
    signatures: (bridge, row) => {
      const pieces = bytesOf(row, 'publicKey', 'tag', 'message', 'signature');
      const refused = row.valid ? undefined : { kind: 'auth', code: 'bad_signature' };
      return check(bridge, { what: 'signature' }, pieces, { said: {}, refused });
    },
  },
  killswitch: {
    budgets: (bridge, row) => {
      const said = only(row, 'budget', 'account');
      return check(bridge, { what: 'budget' }, bytesOf(row, 'root', 'nonce'), { said });
    },
    terms: (bridge, { text, refused }) =>
      check(bridge, { what: 'terms' }, [Buffer.from(text)], { said: {}, refused }),
    messages: (bridge, row) =>
      check(bridge, { what: 'ledger' }, bytesOf(row, 'bytes'), { said: only(row, 'message') }),
    trips: (bridge, row) => {
      const outcome = { said: only(row, 'budget'), refused: row.refused };
      return check(bridge, { what: 'trip' }, bytesOf(row, 'signed', 'signature'), outcome);
    },
    codes: (bridge, row) => {
      const said = only(row, 'issuer', 'grant', 'digest', 'amount', 'untilMs');
      const outcome = { said, refused: row.refused };
      return check(bridge, { what: 'redeem_code' }, [Buffer.from(row.text)], outcome);
    },
  },
};

/** Whole tables, by file and list: what they are read as. */
const tables = {
  frames: { types: 'frame_types' },
  errors: { kinds: 'kinds' },
  codes: { codes: 'codes' },
};

const files = [...new Set([...Object.keys(checks), ...Object.keys(tables)])].sort();

test('no file and no list of the vectors is left out', () => {
  assert.deepEqual(
    readdirSync(folder).sort(),
    files.map((file) => `${file}.json`),
  );
  for (const file of files) {
    const own = [checks, tables].flatMap((all) => Object.keys(all[file] ?? {}));
    const known = [...own, ...(elsewhere[file] ?? [])].sort();
    assert.deepEqual(Object.keys(vectors(file)).sort(), known, file);
  }
});

for (const [file, lists] of Object.entries(checks)) {
  for (const [list, checkRow] of Object.entries(lists)) {
    test(`the core reads what ${list} of ${file} says`, async (t) => {
      const bridge = openBridge(t);
      const rows = [vectors(file)[list]].flat();
      let checked = 0;
      for (const row of rows) {
        await checkRow(bridge, row);
        checked += 1;
      }
      assert.ok(checked > 0);
      assert.equal(checked, rows.length);
    });
  }
}

for (const [file, lists] of Object.entries(tables)) {
  for (const [list, what] of Object.entries(lists)) {
    test(`the table ${list} of ${file} is that of the core`, async (t) => {
      const rows = vectors(file)[list];
      assert.ok(rows.length > 0);
      await check(openBridge(t), { what }, [], { said: { [list]: rows } });
    });
  }
}

test('what is read as nothing is refused', async (t) => {
  const bridge = openBridge(t);
  for (const [what, field] of Object.entries({ odd: 'what', trip: 'bytes' })) {
    const refused = { kind: 'invalid_argument', field };
    await check(bridge, { what }, [], { refused });
  }
});
