import type { Queryable } from '../platform/postgres.ts'

/** One row of `processes`; times are Unix milliseconds. */
export interface ProcessStats {
  readonly id: number
  readonly host: string
  readonly pid: number
  readonly role: string
  readonly version: string
  readonly started_ms: number
  readonly heartbeat_ms: number
  readonly silent_ms: number
  readonly stats: Readonly<Record<string, unknown>>
}

export async function readProcessStats(db: Queryable): Promise<readonly ProcessStats[]> {
  const { rows } = await db.query<ProcessStats>({
    text: `
      select id, host, pid, role, version, stats,
             (extract(epoch from started_at) * 1000)::float8 as started_ms,
             (extract(epoch from heartbeat_at) * 1000)::float8 as heartbeat_ms,
             (extract(epoch from clock_timestamp() - heartbeat_at) * 1000)::float8 as silent_ms
      from processes order by id`,
  })
  return rows
}

export interface BacklogRow {
  readonly owed: number
  readonly owed_estimate: number
  readonly lanes_due: number
  readonly lanes_leased: number
  readonly oldest_due_ms: number | null
  readonly now_ms: number
}

/**
 * Figures about the backlog, without reading all of it: counts stop at `limit`. The oldest due time comes from the first
 * entry of an index, one for all free lanes and one for each leased lane.
 */
export async function readBacklog(db: Queryable, limit: number): Promise<BacklogRow> {
  const { rows } = await db.query<BacklogRow>({
    text: `
      select
        (select count(*)::int from (select from owed limit $1) o) as owed,
        (select coalesce(greatest(n_live_tup, 0), 0)::float8 from pg_stat_user_tables
          where relid = 'owed'::regclass) as owed_estimate,
        (select count(*)::int from (
          select from lanes where owner is null and not held and due_at is not null and due_at <= now() limit $1) l
        ) as lanes_due,
        (select count(*)::int from (select from lanes where owner is not null limit $1) l) as lanes_leased,
        (select (extract(epoch from min(due_at)) * 1000)::float8 from (
          (select due_at from lanes where owner is null and not held and due_at is not null order by due_at limit 1)
          union all
          (select first.due_at from (select subscription_id from lanes where owner is not null limit $1) l
            cross join lateral (
              select due_at from owed o where o.subscription_id + 0 = l.subscription_id and o.owner is null
              order by due_at limit 1) first)
        ) due where due_at <= now()) as oldest_due_ms,
        (extract(epoch from now()) * 1000)::float8 as now_ms`,
    values: [limit],
  })
  const [row] = rows
  if (!row) throw new Error('a query without FROM returned no row')
  return row
}

/** The version of the server, and the age of the oldest open transaction that keeps dead rows from being removed. */
export async function readServer(
  db: Queryable,
): Promise<{ readonly version: string; readonly oldest_transaction_s: number | null }> {
  const { rows } = await db.query<{ version: string; oldest_transaction_s: number | null }>({
    text: `
      select current_setting('server_version') as version,
        (select extract(epoch from now() - min(xact_start))::float8 from pg_stat_activity
          where backend_xmin is not null and datname = current_database() and pid <> pg_backend_pid())
          as oldest_transaction_s`,
  })
  return rows[0] ?? { version: 'unknown', oldest_transaction_s: null }
}

/** A subscription whose receiver is not sent to. Times are Unix milliseconds. */
export interface ReceiverInTrouble {
  readonly id: number
  readonly state: 'circuit_open' | 'disabled'
  readonly reason: string | null
  readonly since_ms: number
  /** Deliveries that wait for it, counted up to `waitingMax`. */
  readonly waiting: number
}

/** Those that have failed for the shortest time first, as the others are known of already. */
export async function readReceiversInTrouble(
  db: Queryable,
  limit: number,
  waitingMax: number,
): Promise<readonly ReceiverInTrouble[]> {
  const { rows } = await db.query<ReceiverInTrouble>({
    text: `
      select s.id, s.state, s.state_reason as reason, (extract(epoch from s.failing_since) * 1000)::float8 as since_ms,
        (select count(*)::int from (
          select from owed o where o.subscription_id + 0 = s.id and o.owner is null limit $2) w) as waiting
      from (
        select id, state, state_reason, failing_since from subscriptions
        where failing_since is not null and state in ('circuit_open', 'disabled')
        order by failing_since desc limit $1) s`,
    values: [limit, waitingMax],
  })
  return rows
}

/** How many subscriptions are not sent to, since their receivers fail; counted up to `limit`. */
export async function countReceiversInTrouble(db: Queryable, limit: number): Promise<number> {
  const { rows } = await db.query<{ count: number }>({
    text: `
      select count(*)::int as count from (
        select from subscriptions where failing_since is not null and state in ('circuit_open', 'disabled') limit $1) t`,
    values: [limit],
  })
  return rows[0]?.count ?? 0
}

/** Deliveries that wait in the lane of each of these subscriptions, counted up to `limit`. */
export async function countWaiting(
  db: Queryable,
  ids: readonly number[],
  limit: number,
): Promise<ReadonlyMap<number, number>> {
  const { rows } = await db.query<{ id: number; waiting: number }>({
    text: `
      select id, (select count(*)::int from (
        select from owed o where o.subscription_id + 0 = id and o.owner is null limit $2) w) as waiting
      from unnest($1::int[]) as t (id)`,
    values: [[...ids], limit],
  })
  return new Map(rows.map(({ id, waiting }) => [id, waiting]))
}
