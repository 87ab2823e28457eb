import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { declareAllDead } from '../cluster/membership.ts'
import { StartupError } from '../errors.ts'
import { replacePartitions } from '../log/partitions.ts'
import { CopySession } from '../platform/copy-session.ts'
import { setFact } from '../platform/installation.ts'
import { migrate } from '../platform/migrate.ts'
import { migrationsDirectory, readMigrations } from '../platform/migration-files.ts'
import type { Database, Queryable } from '../platform/postgres.ts'
import { ownTables } from './backup.ts'
import { type BackupEnd, type BackupHeader, type BackupReader, damaged, type TableLine } from './format.ts'
import {
  analyze,
  beginRestore,
  commit,
  copyIn,
  countTenants,
  emptyTables,
  hasRows,
  readMigrationsDone,
  readTables,
  rollBack,
  setSequence,
} from './store.ts'

export interface RestoreOptions {
  readonly database: Database
  /** After its header. */
  readonly reader: BackupReader
  readonly header: BackupHeader
  /** Whether what the database holds may be replaced. */
  readonly force: boolean
  /** Called when all rows are in, before they are there for others. */
  readonly beforeCommit?: () => Promise<void>
}

/**
 * Ids and numbers that were given out after the backup must not be given to something else: senders have the addresses of
 * subscriptions, and Redis may have messages to a process.
 */
const numbersLeftOut = 1000

/**
 * Puts a backup into a database: all of it, or nothing. Then the database is that of a service all of whose processes have
 * just died. The first start goes on with what was owed.
 *
 * @returns how many rows
 * @throws StartupError when the backup and this program do not fit, the database is not empty, or processes use it
 */
export async function restoreBackup(options: RestoreOptions): Promise<number> {
  const { database, header, force } = options
  await checkMigrations(header)
  checkPartitions(header)
  const filled = await filledTables(database)
  if (filled.length > 0 && !force) throw notEmpty(filled)
  await migrate(database, { until: header.migrations.at(-1)?.name ?? '' })
  await checkSchema(database, header)
  const session = await CopySession.open(database, 'restore')
  try {
    const rows = await restoreOn(session, options)
    // The rows came at once: without figures of them the first plans are made as if the tables were empty.
    await analyze(session, await ownTables().then(names => there(session, names)))
    await migrate(database)
    await declareAllDead(database)
    return rows
  } finally {
    await session.close()
  }
}

/** In one transaction. */
async function restoreOn(session: CopySession, options: RestoreOptions): Promise<number> {
  const { header, reader } = options
  const living = await beginRestore(session)
  try {
    if (living.length > 0) {
      throw new StartupError(`The service runs on this database. Stop it first: ${living.join(', ')}.`)
    }
    const tables = await there(session, await ownTables())
    await emptyTables(session, tables)
    await replacePartitions(session, header.partitions)
    const known = new Set([...tables, ...header.partitions.map(({ name }) => name)])
    const rows = await copyAll(session, reader, known)
    for (const line of header.sequences) {
      if (known.has(line.table)) await setSequence(session, { ...line, next: line.next + numbersLeftOut })
    }
    // Another installation than the one that was backed up, which may still run: they must not share what is in Redis.
    await setFact(session, 'id', randomUUID())
    await options.beforeCommit?.()
    await commit(session)
    return rows
  } catch (error) {
    await rollBack(session).catch(() => {}) // without a connection the transaction has ended as well
    throw error
  }
}

async function copyAll(
  session: CopySession,
  reader: BackupReader,
  known: ReadonlySet<string>,
): Promise<number> {
  for (let rows = 0; ; ) {
    const line = (await reader.line()) as TableLine | BackupEnd // as `writeBackup` writes them
    if ('end' in line) {
      if (line.rows !== rows) throw damaged(`it has ${rows} rows, and should have ${line.rows}`)
      await reader.end()
      return rows
    }
    if (!known.has(line.table)) throw damaged(`there is no table ${line.table}`)
    const into = session.write(copyIn(line))
    await pipeline(Readable.from(reader.rows(), { objectMode: false }), into).catch(rowError)
    rows += into.rowCount
  }
}

/** Classes 22 and 23 of PostgreSQL's errors: data that are none of their type, or break a rule of the table. */
function rowError(error: Error & { readonly code?: string }): never {
  throw /^2[23]...$/.test(error.code ?? '') ? damaged(`PostgreSQL refuses a row (${error.message})`) : error
}

async function there(db: Queryable, names: readonly string[]): Promise<readonly string[]> {
  return (await readTables(db, names)).map(({ table }) => table)
}

/** What each new database has is no reason to refuse one. */
const alwaysThere = ['installation', 'tenants', 'processes', 'dead_processes']

async function filledTables(db: Queryable): Promise<readonly string[]> {
  const filled: string[] = []
  for (const table of await there(db, await ownTables())) {
    if (!alwaysThere.includes(table) && (await hasRows(db, table))) filled.push(table)
    if (table === 'tenants' && (await countTenants(db)) > 0) filled.push(table)
  }
  return filled
}

function notEmpty(filled: readonly string[]): StartupError {
  return new StartupError(
    `The database is not empty (there are rows in ${filled.join(', ')}). Restore into an empty one, or use --force to ` +
      'replace all that it holds.',
  )
}

/** @throws StartupError when this program does not know a migration that had run at the backup */
async function checkMigrations(header: BackupHeader): Promise<void> {
  const known = new Map(
    (await readMigrations(migrationsDirectory)).map(({ name, checksum }) => [name, checksum]),
  )
  const unknown = header.migrations.filter(({ name, checksum }) => known.get(name) !== checksum)
  if (unknown.length === 0) return
  throw new StartupError(
    `This backup was made by version ${header.version}, whose migrations this version does not have ` +
      `(${unknown.map(({ name }) => name).join(', ')}). Restore it with that version or a newer one.`,
  )
}

/** Names and bounds become part of statements. */
function checkPartitions({ partitions }: BackupHeader): void {
  const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
  const isSound = partitions.every(
    ({ table, name, from, to }) =>
      /^\w+$/.test(table) && /^\w+$/.test(name) && uuid.test(from) && uuid.test(to),
  )
  if (!isSound) throw damaged('its partitions have no proper names')
}

/** @throws StartupError when the tables have another shape than those of the backup */
async function checkSchema(db: Queryable, header: BackupHeader): Promise<void> {
  const had = new Set(header.migrations.map(({ name }) => name))
  const later = (await readMigrationsDone(db)).filter(({ name }) => !had.has(name))
  if (later.length === 0) return
  throw new StartupError(
    `The tables of this database are newer than the backup (${later.map(({ name }) => name).join(', ')}). Restore into ` +
      'an empty database, or in local mode into another DATA_DIR; the migrations run after it.',
  )
}
