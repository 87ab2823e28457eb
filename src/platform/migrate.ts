import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { StartupError } from '../errors.ts'
import { lockForTransaction } from './advisory-lock.ts'
import type { Database, Queryable } from './postgres.ts'

/** Resolves from `src/platform` and from `dist/platform` alike. */
const migrationsDirectory = new URL('../../migrations/', import.meta.url)

interface Migration {
  readonly name: string
  readonly text: string
  readonly checksum: string
}

/**
 * Brings the database to the newest schema, each file in a transaction, all under an advisory lock; files that ran
 * before are recognised by name and checksum. Safe to call from any number of processes at the same moment.
 *
 * @returns the names of the files that ran now
 * @throws StartupError when a file that ran before has changed, or the database is newer than this program
 */
export async function migrate(database: Database): Promise<readonly string[]> {
  const migrations = await readMigrations()
  return database.transaction(async tx => {
    await lockForTransaction(tx, 'migrate')
    await tx.query({
      text: `create table if not exists schema_migrations (
               name text primary key, checksum text not null, ran_at timestamptz not null default now())`,
    })
    const done = await readDone(tx)
    refuseUnknown(done, migrations)
    const ran: string[] = []
    for (const migration of migrations) {
      const checksum = done.get(migration.name)
      if (checksum === migration.checksum) continue
      if (checksum !== undefined) throw new StartupError(changed(migration.name))
      await tx.query({ text: migration.text })
      await tx.query({
        text: 'insert into schema_migrations (name, checksum) values ($1, $2)',
        values: [migration.name, migration.checksum],
      })
      ran.push(migration.name)
    }
    return ran
  })
}

async function readMigrations(): Promise<readonly Migration[]> {
  const names = (await readdir(migrationsDirectory)).filter(name => name.endsWith('.sql')).sort()
  return Promise.all(
    names.map(async name => {
      const text = await readFile(new URL(name, migrationsDirectory), 'utf8')
      return { name, text, checksum: createHash('sha256').update(text).digest('hex') }
    }),
  )
}

async function readDone(tx: Queryable): Promise<ReadonlyMap<string, string>> {
  const { rows } = await tx.query<{ name: string; checksum: string }>({
    text: 'select name, checksum from schema_migrations',
  })
  return new Map(rows.map(row => [row.name, row.checksum]))
}

function refuseUnknown(done: ReadonlyMap<string, string>, migrations: readonly Migration[]): void {
  const known = new Set(migrations.map(migration => migration.name))
  const unknown = [...done.keys()].filter(name => !known.has(name))
  if (unknown.length > 0) {
    throw new StartupError(
      `The database was migrated by a newer version of this program (it has ${unknown.join(', ')}). Run that version.`,
    )
  }
}

function changed(name: string): string {
  return (
    `migrations/${name} ran on this database with another content. Migrations are never edited: ` +
    'restore the file, and put the change into a new one.'
  )
}
