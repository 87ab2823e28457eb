import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Membership } from '../../src/cluster/membership.ts'
import { insertProcess } from '../../src/cluster/store.ts'
import { StartupError } from '../../src/errors.ts'
import { recoverHoldings } from '../../src/lanes/recover.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import type { Queryable } from '../../src/platform/postgres.ts'
import { fakeClock, noon } from '../support/clock.ts'
import { testDatabase } from '../support/database.ts'
import { aHealth } from '../support/health.ts'
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
  assert.ok((await insertProcess(database, me, 1000)) > 0)
  await database.query({ text: 'delete from schema_migrations where breaking is false' })
  await noteNewer(database, true)
  await assert.rejects(insertProcess(database, me, 1000), StartupError)
})

test('a process that enters while a breaking change is made is refused at its end', async t => {
  const database = await aDatabase(t)
  let entering: Promise<unknown> = Promise.resolve()
  await database.transaction(async tx => {
    await tx.query({ text: 'lock table processes in exclusive mode' })
    entering = assert.rejects(insertProcess(database, me, 1000), StartupError)
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

test('a process that was taken for dead, and comes back after a breaking change, is not entered again', async t => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const database = await aDatabase(t)
  const logger = silentLogger()
  const said = Promise.withResolvers<unknown>()
  t.mock.method(logger, 'error', ({ err }: { err: unknown }) => said.resolve(err))
  const membership = new Membership({
    connection: database,
    control: database,
    health: aHealth(),
    unheardMs: 1000,
    clock: fakeClock(noon),
    logger,
    role: 'all',
    version: '1',
    recover: (held, signal) =>
      recoverHoldings({ database, clock: fakeClock(noon), logger: silentLogger() }, held, signal),
  })
  membership.on('newId', () => assert.fail('it goes on'))
  await membership.start()
  await database.query({ text: 'delete from processes' })
  await noteNewer(database, true)
  t.mock.timers.tick(2000)
  const error = await said.promise
  await membership.stop()
  assert.ok(error instanceof StartupError)
  assert.equal((await database.query({ text: 'select from processes' })).rowCount, 0)
})
