import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { partitionedTables } from '../../src/log/partition-store.ts'
import { migrate } from '../../src/platform/migrate.ts'
import { Database } from '../../src/platform/postgres.ts'

/** How to reach a database of its own, for a test that opens it itself. */
export interface TestConnection {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  readonly database: string
}

export interface TestDatabase {
  /** Migrated; with one partition for all times in each partitioned table, unless asked otherwise. */
  readonly database: Database
  readonly connection: TestConnection
  /** The same as an address, for DATABASE_URL. */
  readonly url: string
  /** Closes it and drops it. */
  close(): Promise<void>
}

export interface TestDatabaseOptions {
  /** False: no table at all, for tests of migrations. */
  readonly migrated?: boolean
  /** False: no partitions, for tests that make their own. */
  readonly partitions?: boolean
  readonly poolSize?: number
  readonly queryTimeoutMs?: number
}

let count = 0

/**
 * A new database on a real PostgreSQL: on the one of TEST_DATABASE_URL (test/support/run.ts sets it), else on an
 * embedded one that this process starts at the first call and stops after its last test.
 */
export async function testDatabase(options: TestDatabaseOptions = {}): Promise<TestDatabase> {
  const { migrated = true, partitions = true, poolSize = 4, queryTimeoutMs = 10_000 } = options
  const server = await testServer()
  const name = `test_${process.pid}_${Date.now().toString(36)}_${++count}`
  await onServer(server, `create database ${name} template template0`)
  const connection = { ...server, database: name }
  const database = new Database({ connection, poolSize, queryTimeoutMs, connectTimeoutMs: 10_000 })
  if (migrated) await migrate(database)
  if (migrated && partitions) await makePartitions(database)
  return {
    database,
    connection,
    url: urlOf(connection),
    async close() {
      await database.close()
      await onServer(server, `drop database if exists ${name} with (force)`)
    },
  }
}

/** One for all times, so that a test may date its rows as it likes. */
async function makePartitions(database: Database): Promise<void> {
  for (const table of partitionedTables) {
    await database.query({ text: `create table ${table}_all partition of ${table} default` })
  }
}

let starting: Promise<TestConnection> | undefined

/** The server that tests share. Its database `postgres` is for making others only. */
export function testServer(): Promise<TestConnection> {
  starting ??= fromEnvironment() ?? startServer()
  return starting
}

function fromEnvironment(): Promise<TestConnection> | undefined {
  const text = process.env.TEST_DATABASE_URL
  if (text === undefined || text === '') return undefined
  const url = new URL(text)
  return Promise.resolve({
    host: decodeURIComponent(url.hostname), // may be the folder of a socket: %2Fvar%2Frun
    port: Number(url.port || 5432),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    database: url.pathname.slice(1),
  })
}

async function startServer(): Promise<TestConnection> {
  const server = await startTestServer()
  after(() => server.stop())
  return server.connection
}

/** An embedded PostgreSQL in a folder that goes with it, without fsync: nothing in a test outlives a power cut. */
export async function startTestServer(): Promise<{ connection: TestConnection; stop(): Promise<void> }> {
  const { startEmbeddedPostgres } = await import('../../src/platform/embedded-postgres/embedded-postgres.ts')
  const dataDir = await mkdtemp(join(tmpdir(), 'webhooks-test-'))
  // Started as root it runs under another account, which must get in here; then all of it goes with the folder.
  await chmod(dataDir, 0o755)
  const server = await startEmbeddedPostgres({ dataDir, stateDir: join(dataDir, 'state'), log: () => {} })
  await onServer(server.connection, 'alter system set fsync = off')
  await onServer(server.connection, 'alter system set full_page_writes = off')
  await onServer(server.connection, 'select pg_reload_conf()')
  return {
    connection: server.connection,
    async stop() {
      await server.stop()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

export function urlOf({ host, port, user, password, database }: TestConnection): string {
  return `postgresql://${encodeURIComponent(user)}:${encodeURIComponent(password)}@${encodeURIComponent(host)}:${port}/${database}`
}

async function onServer(connection: TestConnection, text: string): Promise<void> {
  const server = new Database({ connection, poolSize: 1, queryTimeoutMs: 60_000, connectTimeoutMs: 10_000 })
  try {
    await server.query({ text })
  } finally {
    await server.close()
  }
}
