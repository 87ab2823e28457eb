import { StartupError } from '../errors.ts'
import { newestMigration } from '../platform/migration-files.ts'
import type { Queryable } from '../platform/postgres.ts'

/** One row of `processes`, and the mark of its last sign of life: any other value is a newer sign. */
export interface ProcessRow {
  readonly id: number
  readonly host: string
  readonly pid: number
  readonly role: string
  readonly sign: string
}

/**
 * Enters this process.
 *
 * @returns its id, which nobody had before
 * @throws StartupError when a newer version has made a change since this process started that it must not run beside
 */
export async function insertProcess(
  db: Queryable,
  process: { readonly host: string; readonly pid: number; readonly role: string; readonly version: string },
): Promise<number> {
  const { rows } = await db.query<{ id: number }>({
    text: `insert into processes (host, pid, role, version)
           select $1, $2, $3, $4 where not exists (select from schema_migrations where breaking and name > $5)
           returning id`,
    values: [process.host, process.pid, process.role, process.version, await newestMigration()],
  })
  const id = rows[0]?.id
  if (id === undefined) {
    throw new StartupError(
      'The database was migrated by a newer version of this program, and this version does not work with it any more. ' +
        'Run the newer version.',
    )
  }
  return id
}

/** Says that this process lives. @returns the database's time in Unix milliseconds; undefined: declared dead */
export async function beat(db: Queryable, id: number, stats: object): Promise<number | undefined> {
  const { rows } = await db.query<{ ms: number }>({
    name: 'beat',
    text: `update processes set heartbeat_at = clock_timestamp(), stats = $2 where id = $1
           returning (extract(epoch from clock_timestamp()) * 1000)::float8 as ms`,
    values: [id, JSON.stringify(stats)],
  })
  return rows[0]?.ms
}

export async function readProcesses(db: Queryable): Promise<readonly ProcessRow[]> {
  const { rows } = await db.query<ProcessRow>({
    name: 'read_processes',
    // xmin: a new version of the row for each heartbeat, whatever the clock says.
    text: 'select id, host, pid, role, xmin::text as sign from processes',
  })
  return rows
}

/** Declares a process dead. @returns false when another process was faster, or is at it */
export async function declareDead(db: Queryable, id: number): Promise<boolean> {
  const { rowCount } = await db.query({
    text: 'delete from processes where id = (select id from processes where id = $1 for update skip locked)',
    values: [id],
  })
  return rowCount > 0
}

/** Rings for the processes that look after lanes. */
export async function notifyLanes(db: Queryable, channel: string): Promise<void> {
  await db.query({ name: 'notify_lanes', text: `select pg_notify($1, '')`, values: [channel] })
}

/** Removes this process, which leaves. */
export async function removeProcess(db: Queryable, id: number): Promise<void> {
  await db.query({ text: 'delete from processes where id = $1', values: [id] })
}
