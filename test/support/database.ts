import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after } from 'node:test'
import { partitionedTables } from '../../src/log/partition-store.ts'
import { ensureAuditPartitions, ensurePartitions } from '../../src/log/partitions.ts'
import { migrate } from '../../src/platform/migrate.ts'
import { Database, type Queryable } from '../../src/platform/postgres.ts'
import { hourMs } from './clock.ts'
import { makeDataFolder } from './data-folder.ts'
import { hourOf, makePartitions } from './partitions.ts'

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
  /**
   * False: no partitions, for tests that make their own. `'hourly'`: for as long as a service sees to when it starts, so
   * that it need not. A preparation: none, and what it makes.
   */
  readonly partitions?: boolean | 'hourly' | Preparation
  readonly poolSize?: number
  readonly queryTimeoutMs?: number
}

/** What several tests want in their databases: made once in a run, and copied. */
export interface Preparation {
  /** Of letters and underscores. */
  readonly name: string
  make(database: Database): Promise<void>
}

let count = 0

/**
 * A new database on a real PostgreSQL: on the one of TEST_DATABASE_URL (test/support/run.ts sets it), else on an
 * embedded one that this process starts at the first call and stops after its last test. What is migrated is a copy of a
 * database that was migrated once in the run.
 */
export async function testDatabase(options: TestDatabaseOptions = {}): Promise<TestDatabase> {
  const { migrated = true, partitions = true, poolSize = 4, queryTimeoutMs = 10_000 } = options
  const server = await testServer()
  const name = `test_${process.pid}_${Date.now().toString(36)}_${++count}`
  const template = migrated ? await templateWith(server, partitions) : 'template0'
  // Files are copied: made through the log of changes it takes twice the processor time, and so does its removal.
  await onServer(server, `create database ${name} template ${template} strategy file_copy`)
  const connection = { ...server, database: name }
  const database = new Database({ connection, poolSize, queryTimeoutMs, connectTimeoutMs: 10_000 })
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

type Partitions = NonNullable<TestDatabaseOptions['partitions']>

const templates = new Map<string, Promise<string>>()

/** The name of a migrated database to copy. The first process of the run that wants it makes it. */
function templateWith(server: TestConnection, partitions: Partitions): Promise<string> {
  const name = nameOf(partitions)
  const known = templates.get(name) ?? makeTemplate(server, partitions)
  templates.set(name, known)
  return known
}

const nameOf = (partitions: Partitions) =>
  typeof partitions === 'object' ? partitions.name : `${partitions}`

/** Processes that want the same template at the same moment wait for the one that makes it. */
const templateLock = 'pg_advisory_lock(7461999)'

async function makeTemplate(server: TestConnection, partitions: Partitions): Promise<string> {
  const run = process.env.TEST_RUN ?? `${process.pid}`
  if (process.env.TEST_RUN === undefined && templates.size === 0) after(() => dropTemplates(server, run))
  const name = `${templatePrefix(run)}${nameOf(partitions)}`
  const admin = new Database({
    connection: server,
    poolSize: 1,
    queryTimeoutMs: 120_000,
    connectTimeoutMs: 10_000,
  })
  const session = admin.connection('templates')
  try {
    await session.query({ text: `select ${templateLock}` })
    const { rows } = await session.query({
      text: 'select from pg_database where datname = $1',
      values: [name],
    })
    if (rows.length > 0) return name
    await session.query({ text: `drop database if exists ${name}_unfinished with (force)` })
    await session.query({ text: `create database ${name}_unfinished template template0` })
    await prepare({ ...server, database: `${name}_unfinished` }, partitions)
    await session.query({ text: `alter database ${name}_unfinished rename to ${name}` })
    return name
  } finally {
    await admin.close()
  }
}

async function prepare(connection: TestConnection, partitions: Partitions): Promise<void> {
  const database = new Database({
    connection,
    poolSize: 1,
    queryTimeoutMs: 60_000,
    connectTimeoutMs: 10_000,
  })
  try {
    await migrate(database)
    if (partitions === true) await makeDefaults(database)
    else if (partitions === 'hourly') await makePresent(database)
    else if (partitions !== false) await partitions.make(database)
  } finally {
    await database.close()
  }
  await writeInitFile(connection)
}

/**
 * The first session of a database writes what each session needs of the catalogue into a file, which is copied with the rest:
 * else the first session of each copy would have to gather it.
 */
async function writeInitFile(connection: TestConnection): Promise<void> {
  const database = new Database({ connection, poolSize: 1, queryTimeoutMs: 60_000, connectTimeoutMs: 10_000 })
  await database.query({ text: 'select' }).finally(() => database.close())
}

/** One for all times, so that a test may date its rows as it likes. */
async function makeDefaults(database: Database): Promise<void> {
  for (const table of partitionedTables) {
    await database.query({ text: `create table ${table}_all partition of ${table} default` })
  }
}

/**
 * One for the last hour and one for all that comes: those of single hours would be eight of each table, with which every
 * connection and every plan takes PostgreSQL longer.
 */
async function makePresent(database: Database): Promise<void> {
  const hour = hourOf(Date.now())
  await makePartitions(database, [
    [hour - hourMs, hour],
    [hour, hour + 8 * hourMs],
  ])
  // Loaded by the one process of a run that makes this template: it costs the others a third of a second.
  const { readConfig } = await import('../../src/config/config.ts')
  const { logRetentionHours, auditRetentionDays } = readConfig({})
  await ensurePartitions(database, Date.now(), logRetentionHours)
  await ensureAuditPartitions(database, Date.now(), auditRetentionDays)
}

const templatePrefix = (run: string) => `template_${run}_`

/** Drops what the processes of a run copied their databases from. */
export async function dropTemplates(server: TestConnection, run: string): Promise<void> {
  const names = `select datname from pg_database where starts_with(datname, '${templatePrefix(run)}')`
  for (const { datname } of await onServer<{ datname: string }>(server, names)) {
    await onServer(server, `drop database if exists ${datname} with (force)`)
  }
}

export interface TestServer {
  readonly connection: TestConnection
  readonly pid: number
  stop(): Promise<void>
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

/**
 * An embedded PostgreSQL in a folder that goes with it, without fsync, and in memory where there is room: nothing in a
 * test outlives a power cut, and a database that is made there costs a fifth of one on a disk.
 */
export async function startTestServer(): Promise<TestServer> {
  const { startEmbeddedPostgres } = await import('../../src/platform/embedded-postgres/embedded-postgres.ts')
  const dataDir = await makeDataFolder('webhooks-test-')
  const server = await startEmbeddedPostgres({ dataDir, stateDir: join(dataDir, 'state'), log: () => {} })
  await onServer(server.connection, 'alter system set fsync = off')
  await onServer(server.connection, 'alter system set full_page_writes = off')
  await onServer(server.connection, "alter system set max_wal_size = '256MB'")
  // To prove a password takes both sides some milliseconds of each of a run's many thousand connections.
  const [hba] = await onServer<{ file: string }>(
    server.connection,
    "select current_setting('hba_file') as file",
  )
  await writeFile(hba?.file ?? '', 'local all all trust\n')
  await onServer(server.connection, 'select pg_reload_conf()')
  return {
    connection: server.connection,
    pid: server.pid,
    async stop() {
      await closeMaker() // else the server would stay, for it
      await server.stop()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

export function urlOf({ host, port, user, password, database }: TestConnection): string {
  return `postgresql://${encodeURIComponent(user)}:${encodeURIComponent(password)}@${encodeURIComponent(host)}:${port}/${database}`
}

let maker:
  | { readonly to: TestConnection; readonly database: Database; readonly session: Queryable; uses: number }
  | undefined
let closing: NodeJS.Timeout | undefined

/** Not those of a test that hands out the time. */
const realTimers = { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout }
const makerIdleMs = 200

/**
 * Over a connection that is kept while databases are made and dropped: to open one for each took PostgreSQL about a tenth
 * of what it did for the suite.
 */
async function onServer<Row extends object>(
  connection: TestConnection,
  text: string,
): Promise<readonly Row[]> {
  if (maker?.to.host !== connection.host || maker.to.port !== connection.port) await closeMaker()
  maker ??= {
    to: connection,
    ...openMaker(connection),
    uses: 0,
  }
  const used = maker
  used.uses++
  realTimers.clearTimeout(closing)
  try {
    return (await used.session.query<Row>({ text })).rows
  } finally {
    used.uses--
    if (used.uses === 0) closing = realTimers.setTimeout(() => void closeMaker(), makerIdleMs)
  }
}

/**
 * One pinned connection: a pool has a timer for each that is idle, and could not take it back while a test hands out the time.
 * That timer kept the process for the rest of its 30 s, after its last test.
 */
function openMaker(connection: TestConnection) {
  const database = new Database({ connection, poolSize: 1, queryTimeoutMs: 60_000, connectTimeoutMs: 30_000 })
  return { database, session: database.connection('maker') }
}

async function closeMaker(): Promise<void> {
  const idle = maker
  maker = undefined
  await idle?.database.close()
}
