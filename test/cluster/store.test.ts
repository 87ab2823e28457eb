import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { insertProcess } from '../../src/cluster/store.ts'
import { StartupError } from '../../src/errors.ts'
import type { Queryable } from '../../src/platform/postgres.ts'
import { testDatabase } from '../support/database.ts'
import { eventually } from '../support/service.ts'

const me = { host: 'h', pid: 1, role: 'all', version: '1' }

async function aDatabase(t: TestContext) {
  const { database, close } = await testDatabase()
  t.after(close)
  return database
}

/** What a newer version notes of a migration that this one does not know. */
function noteNewer(db: Queryable, breaking: boolean): Promise<unknown> {
  return db.query({
    text: `insert into schema_migrations (name, checksum, breaking) values ('9999_newer.sql', '', $1)`,
    values: [breaking],
  })
}

test('a process enters beside a newer schema that fits it, and not beside one that does not', async t => {
  const database = await aDatabase(t)
  await noteNewer(database, false)
  assert.ok((await insertProcess(database, me)) > 0)
  await database.query({ text: 'delete from schema_migrations where breaking is false' })
  await noteNewer(database, true)
  await assert.rejects(insertProcess(database, me), StartupError)
})

test('a process that enters while a breaking change is made is refused at its end', async t => {
  const database = await aDatabase(t)
  let entering: Promise<unknown> = Promise.resolve()
  await database.transaction(async tx => {
    await tx.query({ text: 'lock table processes in exclusive mode' })
    entering = assert.rejects(insertProcess(database, me), StartupError)
    await eventually(
      () =>
        database.query({
          text: `select from pg_locks where not granted and relation = 'processes'::regclass
                 and database = (select oid from pg_database where datname = current_database())`,
        }),
      ({ rowCount }) => rowCount > 0,
    )
    await noteNewer(tx, true)
  })
  await entering
  assert.equal((await database.query({ text: 'select from processes' })).rowCount, 0)
})
