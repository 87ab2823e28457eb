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
 * Enters this process. Nothing that is leased to it will be older than `unheardMs` before now.
 *
 * @param unwrittenFrom no row that it will write has an id from before (Unix milliseconds); null: from before now
 * @returns its id, which nobody had before
 * @throws StartupError when a newer version has made a change since this process started that it must not run beside
 */
export async function insertProcess(
  db: Queryable,
  process: { readonly host: string; readonly pid: number; readonly role: string; readonly version: string },
  unheardMs: number,
  unwrittenFrom: number | null = null,
): Promise<number> {
  const { rows } = await db.query<{ id: number }>({
    text: `insert into processes (host, pid, role, version, oldest_held_at, unwritten_from)
           select $1, $2, $3, $4, clock_timestamp() - $6 * interval '1 ms', coalesce(to_timestamp($7::float8 / 1000), clock_timestamp())
           where not exists (select from schema_migrations where breaking and name > $5)
           returning id`,
    values: [
      process.host,
      process.pid,
      process.role,
      process.version,
      await newestMigration(),
      unheardMs,
      unwrittenFrom,
    ],
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

/** What a process says of itself with a heartbeat. */
export interface Beat {
  readonly stats: object
  /** Nothing it holds in memory is older (Unix milliseconds), */
  readonly oldestHeldAt: number
  /** and nothing else that is leased to it is older than this, by the database's clock as well as by its own. */
  readonly unheardMs: number
  /** No row that it still writes has an id from before (Unix milliseconds). */
  readonly unwrittenFrom: number
}

/** Says that this process lives. @returns the database's time in Unix milliseconds; undefined: declared dead */
export async function beat(
  db: Queryable,
  id: number,
  { stats, oldestHeldAt, unheardMs, unwrittenFrom }: Beat,
): Promise<number | undefined> {
  const { rows } = await db.query<{ ms: number }>({
    name: 'beat',
    text: `update processes set heartbeat_at = clock_timestamp(), stats = $2,
             oldest_held_at = least(to_timestamp($3::float8 / 1000), clock_timestamp() - $4::float8 * interval '1 ms'),
             unwritten_from = to_timestamp($5::float8 / 1000)
           where id = $1
           returning (extract(epoch from clock_timestamp()) * 1000)::float8 as ms`,
    values: [id, JSON.stringify(stats), oldestHeldAt, unheardMs, unwrittenFrom],
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

/**
 * Declares a process dead: it is no process any more, which it hears at its next heartbeat, and what it held is to be
 * freed. One transaction, so that whoever sees to that may die, too: another one goes on.
 *
 * @returns false when another process was faster, or is at it
 */
export async function declareDead(db: Queryable, id: number): Promise<boolean> {
  const { rowCount } = await db.query({
    text: `
      with dead as (
        delete from processes where id = (select id from processes where id = $1 for update skip locked)
        returning id, oldest_held_at, unwritten_from)
      insert into dead_processes (id, held_from, unwritten_from) select id, oldest_held_at, unwritten_from from dead`,
    values: [id],
  })
  return rowCount > 0
}

/**
 * Enters an earlier id of this process among the dead, whoever declared it so: what it had under way as it was cut off may
 * be committed only now.
 *
 * @param heldFrom nothing it held is older (Unix milliseconds)
 */
export async function enterDead(db: Queryable, id: number, heldFrom: number): Promise<void> {
  await db.query({
    text: `insert into dead_processes as d (id, held_from) values ($1, to_timestamp($2::float8 / 1000))
           on conflict (id) do update set freed_at = null, held_from = least(d.held_from, excluded.held_from)`,
    values: [id, heldFrom],
  })
}

/** A process that was declared dead, and whose holdings are being freed. */
export interface DeadProcess {
  readonly id: number
  /** Nothing it held is older (Unix milliseconds); null: not known. */
  readonly heldFrom: number | null
  /** All that was found of it is freed; only what was under way when it died may still come. */
  readonly isFreed: boolean
}

/** Those with the shortest way first. */
export async function readDead(db: Queryable): Promise<readonly DeadProcess[]> {
  const { rows } = await db.query<{ id: number; held_from: number | null; is_freed: boolean }>({
    name: 'read_dead',
    text: `select id, (extract(epoch from held_from) * 1000)::float8 as held_from, freed_at is not null as is_freed
           from dead_processes order by held_from desc nulls last`,
  })
  return rows.map(row => ({ id: row.id, heldFrom: row.held_from, isFreed: row.is_freed }))
}

export async function markFreed(db: Queryable, id: number): Promise<void> {
  await db.query({
    text: 'update dead_processes set freed_at = clock_timestamp() where id = $1',
    values: [id],
  })
}

/** Nothing of it is left. */
export async function forgetDead(db: Queryable, id: number): Promise<void> {
  await db.query({ text: 'delete from dead_processes where id = $1', values: [id] })
}

/** Rings for the processes that look after lanes. */
export async function notifyLanes(db: Queryable, channel: string): Promise<void> {
  await db.query({ name: 'notify_lanes', text: `select pg_notify($1, '')`, values: [channel] })
}
