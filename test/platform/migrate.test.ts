import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { type TestContext, test } from 'node:test'
import { StartupError } from '../../src/errors.ts'
import { migrate } from '../../src/platform/migrate.ts'
import type { Database } from '../../src/platform/postgres.ts'
import { testDatabase } from '../support/database.ts'

async function emptyDatabase(t: TestContext): Promise<Database> {
  const { database, close } = await testDatabase({ migrated: false })
  t.after(close)
  return database
}

const files = (await readdir(new URL('../../migrations/', import.meta.url))).sort()

test('all files run, in order, and then never again', async t => {
  const database = await emptyDatabase(t)
  assert.deepEqual(await migrate(database), files)
  assert.deepEqual(await migrate(database), [])
  const { rows } = await database.query<{ name: string }>({
    text: 'select name from schema_migrations order by ran_at, name',
  })
  assert.deepEqual(
    rows.map(row => row.name),
    files,
  )
})

test('of processes that start at the same moment one migrates, and the others find it done', async t => {
  const database = await emptyDatabase(t)
  const ran = await Promise.all([1, 2, 3, 4].map(() => migrate(database)))
  assert.deepEqual(
    ran.toSorted((a, b) => b.length - a.length),
    [files, [], [], []],
  )
})

test('a file that ran and was changed since is refused, and nothing else runs', async t => {
  const database = await emptyDatabase(t)
  await migrate(database)
  await database.query({ text: "update schema_migrations set checksum = 'of another content'" })
  await assert.rejects(migrate(database), error => {
    assert.ok(error instanceof StartupError)
    assert.match(
      error.message,
      new RegExp(`migrations/${files[0]} ran on this database with another content`),
    )
    return true
  })
})

test('a database that a newer version migrated is refused, with what it has', async t => {
  const database = await emptyDatabase(t)
  await migrate(database)
  await database.query({ text: "insert into schema_migrations values ('9999_later.sql', 'x')" })
  await assert.rejects(migrate(database), error => {
    assert.ok(error instanceof StartupError)
    assert.match(error.message, /newer version.*9999_later\.sql/)
    return true
  })
})

test('a migration that fails leaves the database as it was', async t => {
  const database = await emptyDatabase(t)
  await database.query({ text: 'create table owed (in_the_way int)' })
  await assert.rejects(migrate(database), /already exists/)
  const { rows } = await database.query({ text: "select to_regclass('tenants') as tenants" })
  assert.deepEqual(rows, [{ tenants: null }])
})
