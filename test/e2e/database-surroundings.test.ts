import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import pg from 'pg'
import { type Environment, readConfig } from '../../src/config/config.ts'
import { StartupError } from '../../src/errors.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import { type Service, startService } from '../../src/service/service.ts'
import { issue, makeAuthority } from '../support/certificate.ts'
import {
  type TestConnection,
  type TestDatabase,
  testDatabase,
  testServer,
  urlOf,
} from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { testPgBouncer } from '../support/pgbouncer.ts'
import { startReceiver } from '../support/receiver.ts'
import { client, serviceEnvironment } from '../support/service.ts'

// PostgreSQL as people have it: behind PgBouncer, with settings of the database or the role, with few rights and few
// connections. Each either works, or stops the start with one sentence that says what to do.

interface Surroundings extends AsyncDisposable {
  readonly world: TestDatabase
  readonly connection: TestConnection
  /** As a user who can do anything. */
  sql(text: string): Promise<void>
  /** Starts the service, after the one before has ended; its database is this one, unless the settings say otherwise. */
  start(settings?: Environment): Promise<ReturnType<typeof client>>
  /** The one sentence with which a start is refused. */
  refusal(settings?: Environment): Promise<string>
  /** Goes through all that a user does, from a new subscription to the log of its delivery. */
  everythingWorks(settings?: Environment): Promise<void>
  /** Ends with the rest, before it. */
  defer(end: () => unknown): void
}

async function surroundings(): Promise<Surroundings> {
  const stack = new AsyncDisposableStack()
  const defer = (end: () => unknown) => stack.defer(async () => void (await end()))
  const world = await testDatabase({ migrated: false })
  defer(() => world.close())
  const dataDir = await mkdtemp(join(tmpdir(), 'webhooks-e2e-'))
  defer(() => rm(dataDir, { recursive: true, force: true }))

  let running: Service | undefined
  const stop = async () => void (await running?.close())
  const start = async (settings: Environment = {}) => {
    await stop()
    running = undefined
    defer(stop) // before what it needs ends
    const config = readConfig({ ...serviceEnvironment(world, dataDir), ...settings })
    running = await startService({ config, logger: silentLogger() })
    return client(running.url)
  }
  return {
    world,
    connection: world.connection,
    defer,
    start,
    sql: async text => void (await world.database.query({ text })),
    async refusal(settings) {
      const error = await start(settings).then(
        () => assert.fail('it starts'),
        reason => reason,
      )
      assert.ok(error instanceof StartupError, String(error.stack))
      assert.doesNotMatch(error.message, /\n|try again shortly/)
      return error.message
    },
    async everythingWorks(settings) {
      const receiver = await startReceiver()
      defer(() => receiver.close())
      const user = await start(settings)
      const { id } = await user.subscribe({ target_url: receiver.origin, description: 'a \\ é' })
      assert.equal((await user.patch(id, { max_in_flight: 2 })).status, 200)
      const webhookId = await user.ingest(id)
      const status = await eventually(
        () => user.status(webhookId),
        ({ deliveries }) => deliveries[0]?.status === 'success',
      )
      const time = Date.parse(status.deliveries[0]?.attempts[0]?.timestamp ?? '')
      assert.ok(Math.abs(time - Date.now()) < 60_000, 'a time that is right')
      assert.equal((await user.logs(id)).length, 1)
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

/** A role of a test's own that is no superuser. @returns how it connects */
async function aRole({ connection, sql, world }: Surroundings, options = ''): Promise<TestConnection> {
  const role = `role_${connection.database}`
  await sql(`create role ${role} login password 'pw' ${options}`)
  const close = world.close.bind(world)
  world.close = async () => {
    await close() // with the database go its tables, which belong to the role
    const admin = new pg.Client(await testServer())
    await admin.connect()
    await admin.query(`drop role ${role}`)
    await admin.end()
  }
  return { ...connection, user: role, password: 'pw' }
}

test('the service works through PgBouncer in session mode, with its defaults', async t => {
  await using here = await surroundings()
  const bouncer = await testPgBouncer(t, here.connection)
  if (!bouncer) return
  here.defer(() => bouncer[Symbol.asyncDispose]())
  await here.everythingWorks({ DATABASE_URL: bouncer.url })
})

for (const settings of [
  { pool_mode: 'transaction' },
  { pool_mode: 'transaction', default_pool_size: 1 },
  { pool_mode: 'transaction', server_round_robin: 1, min_pool_size: 4 },
  { pool_mode: 'statement' },
]) {
  test(`a pooler that shares sessions is refused: ${JSON.stringify(settings)}`, async t => {
    await using here = await surroundings()
    const bouncer = await testPgBouncer(t, here.connection, { settings })
    if (!bouncer) return
    here.defer(() => bouncer[Symbol.asyncDispose]())
    assert.match(
      await here.refusal({ DATABASE_URL: bouncer.url }),
      /is behind a pooler that shares sessions .*connect directly, or give its database pool_mode = session\.$/,
    )
  })
}

test('a pooler with fewer connections than a process needs is refused with their number', async t => {
  await using here = await surroundings()
  const bouncer = await testPgBouncer(t, here.connection, { settings: { default_pool_size: 5 } })
  if (!bouncer) return
  here.defer(() => bouncer[Symbol.asyncDispose]())
  assert.match(
    await here.refusal({ DATABASE_URL: bouncer.url, DATABASE_TIMEOUT_MS: '500', INGEST_TIMEOUT_MS: '500' }),
    /with the 12 connections of this process: .*default_pool_size/,
  )
})

test('sslmode asks as much of the certificate as it says, also of a private authority', async t => {
  await using here = await surroundings()
  const authority = await makeAuthority('Private authority')
  const certificate = await issue(authority, { type: 'dns', name: 'localhost' })
  const bouncer = await testPgBouncer(t, here.connection, { certificate })
  if (!bouncer) return
  here.defer(() => bouncer[Symbol.asyncDispose]())
  const folder = await mkdtemp(join(tmpdir(), 'webhooks-ca-'))
  here.defer(() => rm(folder, { recursive: true }))
  const ca = join(folder, 'ca.pem')
  await writeFile(ca, authority.certificate.toString('pem'))
  const at = (host: string, query: string) => ({
    DATABASE_URL: `${bouncer.url.replace('127.0.0.1', host)}?${query}`,
  })

  await here.everythingWorks(at('127.0.0.1', 'sslmode=require'))
  await here.start(at('127.0.0.1', `sslmode=verify-ca&sslrootcert=${ca}`))
  await here.start(at('localhost', `sslmode=verify-full&sslrootcert=${ca}`))
  assert.match(
    await here.refusal(at('localhost', 'sslmode=verify-full')),
    /certificate.* sslmode=verify-full&sslrootcert=/,
  )
  assert.match(
    await here.refusal(at('127.0.0.1', `sslmode=verify-full&sslrootcert=${ca}`)),
    /127\.0\.0\.1.* Use the host name that the certificate has/,
  )
})

test('settings of the database change nothing that the service relies on', async () => {
  await using here = await surroundings()
  const { database } = here.connection
  for (const setting of [
    "DateStyle = 'German, DMY'",
    "TimeZone = 'Asia/Kathmandu'",
    "IntervalStyle = 'sql_standard'",
    'bytea_output = escape',
    'standard_conforming_strings = off',
    "default_transaction_isolation = 'serializable'",
    'extra_float_digits = -15',
    "client_encoding = 'LATIN1'",
    "lock_timeout = '1ms'",
    "statement_timeout = '50ms'",
    "idle_in_transaction_session_timeout = '1ms'",
    "idle_session_timeout = '200ms'",
    'synchronous_commit = off',
    'quote_all_identifiers = on',
    'array_nulls = off',
    'transform_null_equals = on',
  ]) {
    await here.sql(`alter database ${database} set ${setting}`)
  }
  await here.everythingWorks()
})

test('what is committed is on disk, whatever the database says of synchronous_commit', async () => {
  await using here = await surroundings()
  const { database } = here.connection
  const session = async (value: string) => {
    await here.sql(`alter database ${database} set synchronous_commit = ${value}`)
    const { rows } = await here.world.database.connection(value).query({ text: 'show synchronous_commit' })
    return rows
  }
  assert.deepEqual(await session('off'), [{ synchronous_commit: 'on' }])
  assert.deepEqual(await session('local'), [{ synchronous_commit: 'local' }], 'which is on disk, too')
  assert.deepEqual(await session('remote_apply'), [{ synchronous_commit: 'remote_apply' }])
})

test('the owner of a database works, and with a schema of its own any role', async () => {
  await using here = await surroundings()
  const role = await aRole(here)
  const DATABASE_URL = urlOf(role)
  assert.match(
    await here.refusal({ DATABASE_URL }),
    new RegExp(`does not let the role ${role.user} make tables in the schema public: .*GRANT CREATE, USAGE`),
  )
  await here.sql(`create schema authorization ${role.user}`)
  await here.everythingWorks({ DATABASE_URL })
})

test('a search_path that leads nowhere is refused', async () => {
  await using here = await surroundings()
  await here.sql(`alter database ${here.connection.database} set search_path = nowhere`)
  assert.match(await here.refusal(), /has no schema for the tables of the role .*search_path/)
})

test('a role that may open too few connections is told how many are needed', async () => {
  await using here = await surroundings()
  const role = await aRole(here, 'connection limit 3')
  await here.sql(`create schema authorization ${role.user}`)
  assert.match(
    await here.refusal({ DATABASE_URL: urlOf(role) }),
    /with the 12 connections of this process: too many connections for role .*CONNECTION LIMIT/,
  )
})

test('a database that takes no writes is refused', async () => {
  await using here = await surroundings()
  await here.sql(`alter database ${here.connection.database} set default_transaction_read_only = on`)
  assert.match(await here.refusal(), /takes no writes: unset default_transaction_read_only/)
})

test('a database of another encoding is refused', async () => {
  await using here = await surroundings()
  const { database } = here.connection
  const other = `${database}_latin1`
  await here.sql(`create database ${other} encoding 'LATIN1' locale 'C' template template0`)
  here.defer(() => here.sql(`drop database ${other} with (force)`))
  assert.match(
    await here.refusal({ DATABASE_URL: urlOf({ ...here.connection, database: other }) }),
    /has the encoding LATIN1: make one with CREATE DATABASE/,
  )
})

test('a database that does not exist, and one that cannot be reached, say what to do', async () => {
  await using here = await surroundings()
  const { connection } = here
  assert.match(
    await here.refusal({ DATABASE_URL: urlOf({ ...connection, database: 'none' }) }),
    /database "none" does not exist\. Make the database with createdb/,
  )
  assert.match(
    await here.refusal({ DATABASE_URL: 'postgresql://u:hunter2@/x?host=/no/such/folder' }),
    /^Cannot use the database \/no\/such\/folder\/x: .*ENOENT.* There is no such socket/,
  )
})
