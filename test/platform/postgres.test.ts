import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rename, rm } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import pg from 'pg'
import { AppError } from '../../src/errors.ts'
import {
  type Connection,
  Database,
  isDatabaseUnavailable,
  type Queryable,
  sqlState,
} from '../../src/platform/postgres.ts'
import { uuidV7Now } from '../../src/platform/sql.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'

let world: TestDatabase
before(async () => {
  world = await testDatabase({ migrated: false })
})
after(() => world.close())

async function pidOf(db: Queryable): Promise<number> {
  const { rows } = await db.query<{ pid: number }>({ text: 'select pg_backend_pid() as pid' })
  return rows[0]?.pid ?? 0
}

/** Ends a server process, and waits until it is gone. */
async function kill(pid: number): Promise<void> {
  await world.database.query({ text: 'select pg_terminate_backend($1, 5000)', values: [pid] })
}

/** The same, and waits until its end was heard here: that of another one that was ended afterwards is. */
async function killHeard(pid: number): Promise<void> {
  await kill(pid)
  const other = new pg.Client(world.connection)
  await other.connect()
  other.on('error', () => {})
  const { rows } = await other.query<{ pid: number }>('select pg_backend_pid() as pid')
  const ended = new Promise<void>(resolve => other.on('end', () => resolve()))
  await kill(rows[0]?.pid ?? 0)
  await ended
}

/** The error of work that must fail. */
async function errorOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => assert.fail('it did not fail'),
    error => error,
  )
}

const answers = async (db: Queryable) => (await db.query({ text: 'select 1 as one' })).rows

test('a connection is one session, opened at first use', async () => {
  const connection = world.database.connection('test', { session: "set application_name = 'prepared'" })
  assert.equal(connection.opened, 0)
  const pids = await Promise.all([pidOf(connection), pidOf(connection)])
  assert.equal(pids[0], pids[1])
  assert.equal(connection.opened, 1)
  const { rows } = await connection.query({ text: "select current_setting('application_name') as name" })
  assert.deepEqual(rows, [{ name: 'prepared' }], 'settings of the session come first')
})

test('two statements of one name are prepared apart, each once', async () => {
  const connection = world.database.connection('test')
  for (let round = 0; round < 2; round++) {
    const one = await connection.query({ name: 'read_leased', text: 'select $1::int as lane', values: [1] })
    const other = await connection.query({ name: 'read_leased', text: 'select $1::int as row', values: [2] })
    assert.deepEqual([one.rows, other.rows], [[{ lane: 1 }], [{ row: 2 }]])
  }
  const { rows } = await connection.query<{ name: string; statement: string }>({
    text: 'select name, statement from pg_prepared_statements order by statement',
  })
  assert.deepEqual(
    rows.map(row => row.statement),
    ['select $1::int as lane', 'select $1::int as row'],
  )
  assert.ok(rows.every(row => /^read_leased_[0-9a-f]{12}$/.test(row.name)))
})

test('a connection that was cut while idle opens again at the next statement', async () => {
  const connection = world.database.connection('test', { session: 'set jit = off' })
  await killHeard(await pidOf(connection))
  assert.deepEqual(await answers(connection), [{ one: 1 }])
  assert.equal(connection.opened, 2)
  const { rows } = await connection.query({ text: 'show jit' })
  assert.deepEqual(rows, [{ jit: 'off' }])
})

test('a connection that is cut within a statement says that the database is away, and opens again', async () => {
  const connection = world.database.connection('test')
  const pid = await pidOf(connection)
  const sleeping = errorOf(connection.query({ text: 'select pg_sleep(10)' }))
  await kill(pid)
  assert.ok(isDatabaseUnavailable(await sleeping))
  assert.deepEqual(await answers(connection), [{ one: 1 }])
})

test('a statement that takes too long is given up', async () => {
  const connection = world.database.connection('test', { queryTimeoutMs: 80 })
  const startedAt = performance.now()
  const error = await errorOf(connection.query({ text: 'select pg_sleep(60)' }))
  assert.ok(isDatabaseUnavailable(error))
  assert.ok(performance.now() - startedAt < 30_000)
  assert.deepEqual(await answers(connection), [{ one: 1 }])
})

test('a statement at fault keeps its own error, and its connection stays', async () => {
  const connection = world.database.connection('test')
  const pid = await pidOf(connection)
  const error = await errorOf(connection.query({ text: 'select 1 / 0' }))
  assert.equal(sqlState(error), '22012')
  assert.equal(isDatabaseUnavailable(error), false)
  assert.equal(await pidOf(connection), pid)
})

test('a server that takes the connection and says nothing is away, after the time to connect', async () => {
  const silent = createServer(() => {}).listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const { port } = silent.address() as AddressInfo // it listens on TCP
  const { database, connection } = elsewhere({ host: '127.0.0.1', port }, 100)
  assert.ok(isDatabaseUnavailable(await errorOf(answers(connection))))
  assert.ok(isDatabaseUnavailable(await errorOf(answers(database))))
  await database.close()
  silent.close()
})

function elsewhere(
  place: { readonly host: string; readonly port: number },
  connectTimeoutMs = 1000,
): { database: Database; connection: Connection } {
  const settings = { ...world.connection, ...place }
  const database = new Database({ connection: settings, poolSize: 1, queryTimeoutMs: 1000, connectTimeoutMs })
  return { database, connection: database.connection('test') }
}

test('while nobody listens every caller hears so at once, and a try is made again soon', async t => {
  // A socket file, which nobody else comes to use, as somebody may a port: it is there, and nobody listens.
  const host = await mkdtemp(join(tmpdir(), 'webhooks-socket-'))
  t.after(() => rm(host, { recursive: true }))
  const path = join(host, '.s.PGSQL.5432')
  const gone = createServer().listen(`${path}.first`)
  await once(gone, 'listening')
  await rename(`${path}.first`, path)
  await new Promise(resolve => gone.close(resolve))
  let now = Math.ceil(performance.now()) // whole, so that 249 and 1 make 250
  t.mock.method(performance, 'now', () => now)
  const { database, connection } = elsewhere({ host, port: 5432 })
  t.after(() => database.close())
  for (let n = 0; n < 100; n++) assert.ok(isDatabaseUnavailable(await errorOf(answers(connection))))
  assert.ok(isDatabaseUnavailable(await errorOf(database.transaction(answers))))

  let tries = 0
  await rm(path)
  const back = createServer(socket => {
    tries++
    socket.destroy()
  }).listen(path)
  t.after(() => back.close())
  await once(back, 'listening')
  now += 249
  await errorOf(answers(connection))
  assert.equal(tries, 0, 'not within 250 ms of the last failure')
  now += 1
  assert.ok(isDatabaseUnavailable(await errorOf(answers(connection))))
  for (let turns = 0; tries === 0 && turns < 1000; turns++)
    await new Promise(resolve => setImmediate(resolve))
  assert.equal(tries, 1)
})

test('a database that does not exist is named by the error', async () => {
  const settings = { ...world.connection, database: 'no_such_database' }
  const database = new Database({
    connection: settings,
    poolSize: 1,
    queryTimeoutMs: 1000,
    connectTimeoutMs: 1000,
  })
  const error = await errorOf(answers(database))
  const reason = error instanceof AppError ? error.cause : error
  assert.match(String(reason), /no_such_database/)
  await database.close()
})

test('a transaction is whole, or has not been', async () => {
  const { database } = world
  await database.query({ text: 'create table counted (n int)' })
  const add = (tx: Queryable) => tx.query({ text: 'insert into counted values (1)' })
  await database.transaction(add)
  await assert.rejects(
    database.transaction(async tx => {
      await add(tx)
      throw new Error('changed my mind')
    }),
    /changed my mind/,
  )
  const failed = database.transaction(async tx => {
    await add(tx)
    await tx.query({ text: 'select 1 / 0' })
  })
  assert.equal(sqlState(await errorOf(failed)), '22012')
  const { rows } = await database.query({ text: 'select count(*)::int as n from counted' })
  assert.deepEqual(rows, [{ n: 1 }])
})

test('a transaction whose server process dies between two statements fails, and ends nothing else', async () => {
  const { database } = world
  const error = await errorOf(
    database.transaction(async tx => {
      await killHeard(await pidOf(tx))
      await answers(tx)
    }),
  )
  assert.ok(isDatabaseUnavailable(error))
  assert.deepEqual(await answers(database), [{ one: 1 }])
})

test('a transaction on a connection that is cut between two statements sends nothing over the next one', async t => {
  const connection = world.database.connection('cut')
  t.after(() => connection.close())
  await connection.query({ text: 'create table cut_off (n int)' })
  await assert.rejects(
    connection.transaction(async tx => {
      await tx.query({ text: 'insert into cut_off values (1)' })
      const { rows } = await tx.query<{ pid: number }>({ text: 'select pg_backend_pid() as pid' })
      await world.database.query({ text: 'select pg_terminate_backend($1)', values: [rows[0]?.pid] })
      await eventually(
        () => connection.query({ text: 'select 1' }).catch(() => undefined),
        answer => answer !== undefined,
      )
      await tx.query({ text: 'insert into cut_off values (2)' })
    }),
    isDatabaseUnavailable,
  )
  assert.equal((await connection.query({ text: 'select from cut_off' })).rowCount, 0)
})

test('a transaction on a connection that fails is taken back, and the connection stays', async t => {
  const connection = world.database.connection('taken back')
  t.after(() => connection.close())
  await connection.query({ text: 'create table taken_back (n int)' })
  await assert.rejects(
    connection.transaction(async tx => {
      await tx.query({ text: 'insert into taken_back values (1)' })
      await tx.query({ text: 'select nonsense' })
    }),
    /nonsense/,
  )
  assert.equal((await connection.query({ text: 'select from taken_back' })).rowCount, 0)
  assert.equal(connection.opened, 1)
})

test('notifications are heard on the connection that listens', async () => {
  const heard: string[] = []
  const connection = world.database.connection('test', {
    onNotification: (channel, payload) => heard.push(`${channel} ${payload}`),
  })
  await connection.query({ text: 'listen news' })
  await world.database.query({ text: "select pg_notify('news', '42'), pg_notify('gossip', '7')" })
  await eventually(() => heard.length > 0)
  assert.deepEqual(heard, ['news 42'])
})

test('PostgreSQL itself makes sound ids of version 7, too', async () => {
  const { rows } = await world.database.query<{ id: string; ms: number }>({
    text: `select ${uuidV7Now} as id, extract(epoch from clock_timestamp())::float8 * 1000 as ms from generate_series(1, 50)`,
  })
  for (const { id, ms } of rows) {
    assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    assert.ok(Math.abs(Number.parseInt(id.replace('-', '').slice(0, 12), 16) - ms) < 10_000)
  }
  assert.equal(new Set(rows.map(row => row.id)).size, 50)
})
