import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { pathToFileURL } from 'node:url'
import type { Connection, Database } from '../../src/platform/postgres.ts'
import { eventually } from './service.ts'

/** A folder with these files (name → text), for as long as the test runs. */
export async function migrationFolder(t: TestContext, files: Readonly<Record<string, string>>): Promise<URL> {
  const path = await mkdtemp(join(tmpdir(), 'webhooks-migrations-'))
  t.after(() => rm(path, { recursive: true }))
  for (const [name, text] of Object.entries(files)) await writeFile(join(path, name), text)
  return pathToFileURL(`${path}/`)
}

/** Runs a statement in a transaction that stays open. */
export async function holdOpen(t: TestContext, database: Database, text: string): Promise<Connection> {
  const connection = database.connection('holder')
  t.after(() => connection.close())
  await connection.query({ text: 'begin' })
  await connection.query({ text })
  return connection
}

/**
 * Waits until another session of this database runs a statement like `pattern` (of LIKE).
 *
 * @param wait what it has to wait for meanwhile, a `wait_event_type`
 * @returns the pid of its server process
 */
export async function running(database: Database, pattern: string, wait?: string): Promise<number> {
  const { rows } = await eventually(
    () =>
      database.query<{ pid: number }>({
        text: `select pid from pg_stat_activity
               where datname = current_database() and pid <> pg_backend_pid() and query like $1
                 and state = 'active' and ($2::text is null or wait_event_type = $2)`,
        values: [pattern, wait ?? null],
      }),
    ({ rowCount }) => rowCount > 0,
  )
  return rows[0]?.pid ?? 0
}

/** In the order in which they stand. */
export async function columnsOf(database: Database, table: string): Promise<readonly string[]> {
  const { rows } = await database.query<{ name: string }>({
    text: `select attname as name from pg_attribute
           where attrelid = $1::regclass and attnum > 0 and not attisdropped order by attnum`,
    values: [table],
  })
  return rows.map(({ name }) => name)
}

/** @returns undefined when there is no such index */
export async function indexIsValid(database: Database, name: string): Promise<boolean | undefined> {
  const { rows } = await database.query<{ valid: boolean }>({
    text: 'select indisvalid as valid from pg_index where indexrelid = to_regclass($1)',
    values: [name],
  })
  return rows[0]?.valid
}
