import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { migrationsDirectory, readMigrations, splitStatements } from '../../src/platform/migration-files.ts'
import { migrationFolder } from '../support/migrations.ts'

async function read(t: TestContext, files: Readonly<Record<string, string>>) {
  return readMigrations(await migrationFolder(t, files))
}

test('the files of this program keep the rules, and their numbers have no gap', async () => {
  const numbers = (await readMigrations(migrationsDirectory)).map(({ name }) => Number(name.slice(0, 4)))
  assert.deepEqual(
    numbers,
    numbers.map((_, index) => index + 1),
  )
})

test('marks are lines of their own, wherever they stand', async t => {
  const files = await read(t, {
    '0001_a.sql': 'create table a (); -- not breaking, and not done concurrently\n',
    '0002_b.sql': '-- Why it is so.\n-- breaking\ndrop table a;\n',
    '0003_c.sql': '-- concurrently\r\ndrop index concurrently if exists c;\r\n',
  })
  assert.deepEqual(
    files.map(({ isBreaking, statements }) => [isBreaking, statements]),
    [
      [false, undefined],
      [true, undefined],
      [false, [{ text: 'drop index concurrently if exists c' }]],
    ],
  )
})

test('the checksum of a file does not depend on how a checkout ends its lines', async t => {
  const [one, other] = await read(t, { '0001_a.sql': 'a\nb\n', '0002_a.sql': 'a\r\nb\r\n' })
  assert.equal(one?.checksum, other?.checksum)
})

test('statements are cut at semicolons, but not at those inside of something', () => {
  const sql = `
    -- a comment; with one
    select ';', "a;b", $$ c; d $$, $x$ e; $$ f; $x$, 'it''s; fine'; /* g;
    h */ select 2 ;
    ;`
  assert.deepEqual(splitStatements(sql), [
    `select ';', "a;b", $$ c; d $$, $x$ e; $$ f; $x$, 'it''s; fine'`,
    'select 2',
  ])
})

for (const [why, name, text] of [
  ['the name has no number', 'things.sql', ''],
  ['what cannot be run again', '0002_a.sql', '-- concurrently\ncreate index concurrently a on b (c);'],
  ['what blocks others', '0002_a.sql', '-- concurrently\nalter table a add column b int;'],
  [
    'what breaks outside a transaction',
    '0002_a.sql',
    '-- concurrently\n-- breaking\ndrop index concurrently if exists a;',
  ],
  ['a number twice', '0001_b.sql', ''],
] as const) {
  test(`refused: ${why}`, async t => {
    await assert.rejects(read(t, { '0001_a.sql': '', [name]: text }), new RegExp(name.replace('.', '\\.')))
  })
}
