import { Readable, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { createGzip } from 'node:zlib'
import { StartupError } from '../errors.ts'
import { partitionsNow } from '../log/partitions.ts'
import { tryLockForSession } from '../platform/advisory-lock.ts'
import { CopySession } from '../platform/copy-session.ts'
import { readFact } from '../platform/installation.ts'
import { migrationsDirectory, readMigrations, tablesMadeBy } from '../platform/migration-files.ts'
import type { Database } from '../platform/postgres.ts'
import { type BackupEnd, type BackupHeader, endOfRows, formatName, formatVersion } from './format.ts'
import {
  beginSnapshot,
  copyOut,
  readMigrationsDone,
  readSequences,
  readTables,
  type TableRow,
} from './store.ts'

export interface BackupDeps {
  readonly database: Database
  /** Of this program. */
  readonly version: string
  /** The encryption keys to put into it, as base64, newest first; undefined: none. */
  readonly keys: readonly string[] | undefined
}

/** What is in a backup. */
export interface BackupReport {
  readonly takenAt: string
  readonly rows: number
  /** The keys that its secrets are sealed with. */
  readonly keyIds: readonly string[]
}

/** A retention that is at work ends a batch within milliseconds, but its round may take minutes after a long stop. */
const retentionWaitMs = 600_000

/**
 * Writes all that the installation has into `out`: one state of all tables, of one moment, while processes work on. Nobody
 * waits for it, but two things: old partitions are dropped when it has ended, and a migration that changes a table is tried
 * again until then.
 *
 * @throws StartupError when the database has no tables of this service, or retention does not let it begin
 */
export async function writeBackup(deps: BackupDeps, out: Writable): Promise<BackupReport> {
  const session = await CopySession.open(deps.database, 'backup')
  try {
    await keepPartitions(session)
    const takenAt = await beginSnapshot(session)
    const names = await ownTables()
    const tables = await readTables(session, names)
    const header = await readHeader(deps, session, { takenAt, tables })
    const counted = { rows: 0 }
    const text = Readable.from(contents(session, header, tables, counted), { objectMode: false })
    await pipeline(text, createGzip({ level: 1 }), out)
    return { takenAt, rows: counted.rows, keyIds: header.keyIds }
  } finally {
    await session.close()
  }
}

/** The tables that migrations make, each after those it refers to. */
export async function ownTables(): Promise<readonly string[]> {
  return tablesMadeBy(await readMigrations(migrationsDirectory))
}

/** While the lock is held no process drops partitions. It is held until the session ends. */
async function keepPartitions(session: CopySession): Promise<void> {
  const until = performance.now() + retentionWaitMs
  while (!(await tryLockForSession(session, 'retention'))) {
    if (performance.now() > until) {
      throw new StartupError(
        'Another backup, or retention, has been running on this database for ten minutes. Try again when it has ended.',
      )
    }
    await sleep(100)
  }
}

async function readHeader(
  { version, keys }: BackupDeps,
  session: CopySession,
  { takenAt, tables }: { readonly takenAt: string; readonly tables: readonly TableRow[] },
): Promise<BackupHeader> {
  const migrations = await readMigrationsDone(session)
  if (migrations.length === 0) throw new StartupError('The database is empty: there is nothing to back up.')
  const keyIds = await readFact(session, 'encryption_key')
  return {
    format: formatName,
    formatVersion,
    version,
    takenAt,
    migrations,
    partitions: await partitionsNow(session),
    sequences: await readSequences(
      session,
      tables.map(({ table }) => table),
    ),
    keyIds: Array.isArray(keyIds) ? keyIds.map(String) : [],
    keys,
  }
}

async function* contents(
  session: CopySession,
  header: BackupHeader,
  tables: readonly TableRow[],
  counted: { rows: number },
): AsyncGenerator<Buffer> {
  yield lineOf(header)
  for (const { table, columns, isPartitioned } of tables) {
    const parts = isPartitioned
      ? header.partitions.filter(partition => partition.table === table).map(({ name }) => name)
      : [table]
    for (const part of parts) {
      yield lineOf({ table: part, columns })
      const rows = session.read(copyOut({ table: part, columns }))
      for await (const piece of rows) yield piece
      counted.rows += rows.rowCount
      yield Buffer.from(endOfRows)
    }
  }
  const end: BackupEnd = { end: true, rows: counted.rows }
  yield lineOf(end)
}

const lineOf = (value: object) => Buffer.from(`${JSON.stringify(value)}\n`)
