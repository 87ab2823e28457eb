import { int4Array, timestamptzArray } from '../platform/binary-array.ts'
import type { Uuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'
import { uuidV7Now } from '../platform/sql.ts'

/** Owed rows of events older than `before` exist. */
export async function readOldOwing(db: Queryable, before: Uuid): Promise<readonly number[]> {
  const { rows } = await db.query<{ subscription_id: number }>({
    text: 'select distinct subscription_id from owed where webhook_id < $1',
    values: [before],
  })
  return rows.map(row => row.subscription_id)
}

/** For each subscription the moment (Unix milliseconds): a run that began before it is past its policy. */
export interface Deadline {
  readonly subscriptionId: number
  readonly beganBefore: number
}

/**
 * Ends, with a row in the log, what is owed of events older than `before` and past its policy: up to `limit` rows.
 *
 * @returns how many there were
 */
export async function expireOwed(
  db: Queryable,
  before: Uuid,
  deadlines: readonly Deadline[],
  limit: number,
): Promise<number> {
  const { rowCount } = await db.query({
    text: `
      with past as (
        select o.webhook_id, o.subscription_id from owed o
        join unnest($2::int[], $3::timestamptz[]) as d (id, began_before) on d.id = o.subscription_id
        where o.webhook_id < $1 and coalesce(o.replayed_at, ${timeOfUuid('o.webhook_id')}) < d.began_before
        limit $4),
      gone as (
        delete from owed o using past p
        where o.webhook_id = p.webhook_id and o.subscription_id = p.subscription_id
        returning o.webhook_id, o.subscription_id, o.attempt)
      insert into delivery_logs (id, subscription_id, webhook_id, "timestamp", attempt, status, verdict, error)
      select ${uuidV7Now}, subscription_id, webhook_id, now(), attempt, 'failed', 'expired',
             'too old: its time limit has passed'
      from gone`,
    values: [
      before,
      int4Array(deadlines.map(deadline => deadline.subscriptionId)),
      timestamptzArray(deadlines.map(deadline => Math.floor(deadline.beganBefore))),
      limit,
    ],
  })
  return rowCount
}

/**
 * Copies events older than `before` that are still owed to where they outlive their partition. Their fan-out
 * shrinks to what is still owed: the rest is settled, and its log goes with the partition.
 *
 * @returns how many there were
 */
export async function carryOver(db: Queryable, before: Uuid): Promise<number> {
  const { rowCount } = await db.query({
    text: `
      insert into events_carried
        (webhook_id, tenant, event_type, content_type, payload, subscription_ids, channels, metadata)
      select e.webhook_id, e.tenant, e.event_type, e.content_type, e.payload, o.subscription_ids, e.channels, e.metadata
      from (select webhook_id, array_agg(subscription_id) as subscription_ids
            from owed where webhook_id < $1 group by webhook_id) o
      join events e on e.webhook_id = o.webhook_id and e.webhook_id < $1
      on conflict (webhook_id) do nothing`,
    values: [before],
  })
  return rowCount
}

/** Removes carried events that are owed to nobody any more. @returns how many there were */
export async function dropSettledCarried(db: Queryable): Promise<number> {
  const { rowCount } = await db.query({
    text: 'delete from events_carried c where not exists (select from owed o where o.webhook_id = c.webhook_id)',
  })
  return rowCount
}

/**
 * Removes tombstones of subscriptions that were deleted before `before` (Unix milliseconds), where nothing names them
 * any more: no lane, so nothing is owed to them, and no row of the log. Looks at up to `limit`, from above the id `after`.
 *
 * @returns how many were removed, and the last id that was looked at; none when there was nothing to look at
 */
export async function removeTombstones(
  db: Queryable,
  before: number,
  after: number,
  limit: number,
): Promise<{ readonly removed: number; readonly last: number | null }> {
  // A sub-select with a limit for each id keeps the planner to probes of the log's index: as NOT EXISTS it may read all
  // of the log for them.
  const { rows } = await db.query<{ removed: number; last: number | null }>({
    text: `
      with page as (
        select id from subscription_tombstones where id > $1 and deleted_at < ($2::timestamptz[])[1]
        order by id limit $3),
      unnamed as (
        select id from page
        where (select true from lanes where subscription_id = page.id) is null
          and (select true from delivery_logs where subscription_id = page.id limit 1) is null),
      gone as (
        delete from subscription_tombstones where id in (select id from unnamed) returning id)
      select (select count(*)::int from gone) as removed, (select max(id) from page) as last`,
    values: [after, timestamptzArray([before]), limit],
  })
  return rows[0] ?? { removed: 0, last: null }
}

/** The time in a UUIDv7 (uuid_extract_timestamp came with PostgreSQL 17 only). */
function timeOfUuid(column: string): string {
  return `to_timestamp(('x' || substr(replace(${column}::text, '-', ''), 1, 12))::bit(48)::bigint / 1000.0)`
}
