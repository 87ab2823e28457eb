import { setTimeout as sleep } from 'node:timers/promises'
import { StartupError } from '../errors.ts'
import { tryLockForSession } from './advisory-lock.ts'
import { type Logger, silentLogger } from './logger.ts'
import { type Migration, migrationsDirectory, readMigrations } from './migration-files.ts'
import { type Database, isDatabaseUnavailable, type Queryable, sqlState } from './postgres.ts'

/** How long a migration may take and wait. */
export interface MigrationLimits {
  /**
   * How long a statement waits for the lock on a table. Later statements on that table wait behind it, so it then gives up
   * and is tried again. Longer than deadlock_timeout (1 s), after which an autovacuum gives way.
   */
  readonly lockTimeoutMs: number
  /** How many times a migration is tried. */
  readonly triesMax: number
  /** The pause after the first try. It doubles after each one, up to ten times the first. */
  readonly pauseMs: number
  /** The longest statement of a file that runs in a transaction. */
  readonly statementTimeoutMs: number
  /** The longest statement of a file marked `concurrently`, and the longest wait for another process that migrates. */
  readonly concurrentTimeoutMs: number
}

const usualLimits: MigrationLimits = {
  lockTimeoutMs: 2000,
  triesMax: 25,
  pauseMs: 500,
  statementTimeoutMs: 600_000,
  concurrentTimeoutMs: 12 * 3_600_000,
}

export interface MigrateOptions {
  /** For what the migration does and waits for. */
  readonly logger?: Pick<Logger, 'info' | 'warn'>
  /** The folder of the files, and other limits; for tests. */
  readonly directory?: URL
  /** The name of the last file to run; all of them unless given. */
  readonly until?: string
  readonly limits?: Partial<MigrationLimits>
}

interface Migrating {
  /** It is not opened again after it broke, so all statements on it run under its lock. */
  readonly session: Queryable
  readonly limits: MigrationLimits
  readonly logger: Pick<Logger, 'info' | 'warn'>
}

/**
 * Brings the database to the newest schema that this program knows. Files that ran before are recognised by name and
 * checksum. Any number of processes may call it at the same time, also while other processes work.
 *
 * A database that a newer program has migrated is accepted, unless one of the newer files is marked `breaking`.
 *
 * @returns the names of the files that ran now
 * @throws StartupError when a file that ran before has changed, when the database does not fit this program, when a
 *   file fails, or when it has waited too long
 */
export async function migrate(
  database: Database,
  { logger = silentLogger(), directory = migrationsDirectory, until, limits: changed }: MigrateOptions = {},
): Promise<readonly string[]> {
  const all = await readMigrations(directory)
  const migrations = until === undefined ? all : all.filter(({ name }) => name <= until)
  const limits = { ...usualLimits, ...changed }
  // Checked without the lock, so that a process without work does not wait for one that makes an index for hours.
  if (pendingOf(migrations, await readDone(database)).length === 0) return []
  const session = database.connection('migrate', {
    queryTimeoutMs: limits.concurrentTimeoutMs,
    session: 'set lock_timeout = 0',
    reopens: false,
  })
  try {
    return await migrateOn({ session, limits, logger }, migrations)
  } finally {
    await session.close() // which frees the lock
  }
}

async function migrateOn(migrating: Migrating, migrations: readonly Migration[]): Promise<readonly string[]> {
  const { session, logger } = migrating
  await waitForTurn(migrating)
  await session.query({
    text: `create table if not exists schema_migrations (
             name text primary key,
             checksum text not null,
             breaking boolean not null default false, -- programs that do not know the file must not run
             ran_at timestamptz not null default clock_timestamp())`,
  })
  const pending = pendingOf(migrations, await readDone(session))
  // All of them, each a few milliseconds: of interest are those that change tables with rows in them.
  const isNew = pending.length === migrations.length
  if (isNew) logger.info({ migrations: pending.length }, 'making the tables')
  for (const migration of pending) {
    if (!isNew) logger.info({ migration: migration.name }, 'migrating the database')
    if (migration.statements) await runConcurrently(migrating, migration)
    else await runInTransaction(migrating, migration)
  }
  return pending.map(({ name }) => name)
}

/** The lock is held until the session ends. */
async function waitForTurn({ session, limits, logger }: Migrating): Promise<void> {
  const until = performance.now() + limits.concurrentTimeoutMs
  for (let looks = 0; !(await tryLockForSession(session, 'migrate')); looks++) {
    if (looks === 0) logger.info('another process is migrating the database; waiting until it has ended')
    if (performance.now() > until) {
      throw new StartupError(
        'Another process has been migrating the database for too long. Look for it in pg_stat_activity.',
      )
    }
    await sleep(100)
  }
}

interface Done {
  readonly name: string
  readonly checksum: string
  readonly breaking: boolean
}

async function readDone(db: Queryable): Promise<readonly Done[]> {
  try {
    return (await db.query<Done>({ text: 'select * from schema_migrations order by name' })).rows
  } catch (error) {
    if (sqlState(error) === '42P01') return [] // there is no such table: nothing ran yet
    throw error
  }
}

/** The files that have to run, given those that ran. @throws StartupError when the database does not fit this program */
function pendingOf(migrations: readonly Migration[], done: readonly Done[]): readonly Migration[] {
  const newestKnown = migrations.at(-1)?.name ?? ''
  const newestDone = done.at(-1)?.name ?? ''
  const known = new Set(migrations.map(({ name }) => name))
  const unknown = done.filter(({ name }) => !known.has(name))
  const checksums = new Map(done.map(({ name, checksum }) => [name, checksum]))
  const edited = migrations.find(({ name, checksum }) => checksum !== (checksums.get(name) ?? checksum))
  const pending = migrations.filter(({ name }) => !checksums.has(name))

  const foreign = unknown.filter(({ name }) => name < newestKnown)
  if (foreign.length > 0) {
    throw new StartupError(
      `The database has migrations that no version before this one had (${listed(foreign)}): it was made by a ` +
        'development version. Begin with an empty database.',
    )
  }
  const breaking = unknown.filter(row => row.breaking)
  if (breaking.length > 0) {
    throw new StartupError(
      `The database was migrated by a newer version of this program, and this version does not work with it any more ` +
        `(${listed(breaking)} is marked as breaking). Run the newer version.`,
    )
  }
  if (edited) {
    throw new StartupError(
      `migrations/${edited.name} ran on this database with another content. Migrations are never edited: ` +
        'restore the file, and put the change into a new one.',
    )
  }
  const late = pending.filter(({ name }) => name < newestDone)
  if (late.length > 0) {
    throw new StartupError(
      `migrations/${listed(late)} did not run on this database, though ${newestDone}, which comes later, did. ` +
        'Give the new file a number after all others.',
    )
  }
  return pending
}

function listed(files: readonly { readonly name: string }[]): string {
  return files.map(({ name }) => name).join(', ')
}

/** Runs a file and records it, in one transaction with a short `lock_timeout`. */
async function runInTransaction(migrating: Migrating, migration: Migration): Promise<void> {
  const { limits, logger } = migrating
  for (let tries = 1; ; tries++) {
    const obstacle = await tryInTransaction(migrating, migration)
    if (obstacle === undefined) return
    if (tries >= limits.triesMax) {
      throw new StartupError(`migrations/${migration.name} could not run: ${obstacle}`)
    }
    logger.warn({ migration: migration.name, tries }, `cannot migrate yet: ${obstacle}`)
    await sleep(limits.pauseMs * Math.min(2 ** (tries - 1), 10))
  }
}

/** @returns why it could not run now; undefined when it has run */
async function tryInTransaction(
  { session, limits }: Migrating,
  migration: Migration,
): Promise<string | undefined> {
  try {
    await session.query({
      text: `begin; set local lock_timeout = ${limits.lockTimeoutMs}; set local statement_timeout = ${limits.statementTimeoutMs}`,
    })
    const others = migration.isBreaking ? await readOthers(session) : []
    if (others.length > 0) {
      await session.query({ text: 'rollback' })
      return `older processes must not run beside it. Stop these: ${others.join(', ')}.`
    }
    await session.query({ text: migration.text })
    await noteDone(session, migration)
    await session.query({ text: 'commit' })
    return undefined
  } catch (error) {
    if (isDatabaseUnavailable(error)) throw failed(migration, error) // the session is gone, and its transaction with it
    await session.query({ text: 'rollback' })
    const state = sqlState(error)
    // 55P03: lock_timeout; 40P01: a deadlock, which may be with a statement of the service.
    if (state !== '55P03' && state !== '40P01') throw failed(migration, error)
    return (
      'an open transaction uses a table that it changes. If this goes on, look for the oldest xact_start in ' +
      'pg_stat_activity, and end that transaction.'
    )
  }
}

/**
 * The processes that were alive ten seconds ago. None can be entered before the end of this transaction, and then
 * `insertProcess` refuses those that do not know the migration.
 */
async function readOthers(tx: Queryable): Promise<readonly string[]> {
  const { rows: there } = await tx.query({ text: "select where to_regclass('processes') is not null" })
  if (there.length === 0) return []
  await tx.query({ text: 'lock table processes in exclusive mode' })
  const { rows } = await tx.query<{ process: string }>({
    text: `select format('process %s on %s (version %s)', pid, split_part(host, '/', 1), version) as process
           from processes where heartbeat_at > clock_timestamp() - interval '10 seconds' order by id`,
  })
  return rows.map(({ process }) => process)
}

/** Runs each statement by itself. When it is cut off, the whole file runs again. */
async function runConcurrently({ session }: Migrating, migration: Migration): Promise<void> {
  try {
    for (const { text, indexMade } of migration.statements ?? []) {
      if (indexMade !== undefined) await dropInvalidIndex(session, indexMade)
      await session.query({ text })
    }
    await noteDone(session, migration)
  } catch (error) {
    throw failed(migration, error)
  }
}

/** Removes the invalid index that CREATE INDEX CONCURRENTLY leaves when it is cut off. Writes pay for it, queries do not use it. */
async function dropInvalidIndex(session: Queryable, index: string): Promise<void> {
  const { rows } = await session.query({
    text: 'select from pg_index where indexrelid = to_regclass($1) and not indisvalid',
    values: [index],
  })
  // The name is made of letters, digits and underscores (`readMigrations`), so it needs no quoting.
  if (rows.length > 0) await session.query({ text: `drop index concurrently ${index}` })
}

async function noteDone(session: Queryable, { name, checksum, isBreaking }: Migration): Promise<void> {
  await session.query({
    text: 'insert into schema_migrations (name, checksum, breaking) values ($1, $2, $3)',
    values: [name, checksum, isBreaking],
  })
}

function failed(migration: Migration, error: unknown): StartupError {
  const inner = isDatabaseUnavailable(error) && error instanceof Error ? error.cause : error
  const reason = inner instanceof Error ? inner.message : String(inner)
  return new StartupError(`migrations/${migration.name} failed: ${reason}`, { cause: error })
}
