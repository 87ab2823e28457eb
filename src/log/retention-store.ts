import { int4Array, textArray, timestamptzArray } from '../platform/binary-array.ts'
import type { Uuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'
import { uuidV7Now } from '../platform/sql.ts'

/** Some events in order of their ids, whole: all that is owed of each. */
export interface OwedPage {
  readonly rows: number
  /** The last of these events; undefined: there is none. */
  readonly last: Uuid | undefined
  /** To whom they are owed. */
  readonly subscriptionIds: readonly number[]
}

/**
 * What is owed of the events behind `after` and before `before`: `limit` rows, and those of the last event that are
 * beyond it.
 */
export async function readOwedPage(
  db: Queryable,
  after: Uuid,
  before: Uuid,
  limit: number,
): Promise<OwedPage> {
  const { rows } = await db.query<{ rows: number; last: Uuid | null; subscription_ids: number[] }>({
    text: `
      with page as materialized (
        select webhook_id, subscription_id from owed where webhook_id > $1 and webhook_id < $2
        order by webhook_id fetch first ($3::bigint) rows with ties)
      select (select count(*)::int from page) as rows,
             (select webhook_id from page order by webhook_id desc limit 1) as last,
             array(select distinct subscription_id from page) as subscription_ids`,
    values: [after, before, limit],
  })
  const [page] = rows
  return {
    rows: page?.rows ?? 0,
    last: page?.last ?? undefined,
    subscriptionIds: page?.subscription_ids ?? [],
  }
}

/** How the rows of one subscription end. */
export interface Ending {
  readonly subscriptionId: number
  /** Rows of runs that began before this moment (Unix milliseconds) end; null: all. */
  readonly beganBefore: number | null
  readonly verdict: 'expired' | 'cancelled'
  readonly reason: string
}

/** What became of some events. */
export interface Kept {
  readonly expired: number
  readonly cancelled: number
  readonly carried: number
}

/**
 * Of the events behind `after` up to `last`: ends the rows that `endings` name, with a row in the log each, and copies the
 * events of all other rows to where they outlive their partition. Their fan-out shrinks to what is still owed: the rest is
 * settled, and its log goes with the partition. One transaction.
 *
 * A row that is locked is being settled at this very moment. It is not waited for, and its event is kept like those of all
 * rows that do not end.
 */
export async function endOrCarry(
  db: Queryable,
  after: Uuid,
  last: Uuid,
  endings: readonly Ending[],
): Promise<Kept> {
  const { rows } = await db.query<Kept>({
    text: `
      with past as materialized (
        select o.webhook_id, o.subscription_id, d.verdict, d.reason
        from owed o
        join unnest($3::int[], $4::timestamptz[], $5::text[], $6::text[]) as d (id, began_before, verdict, reason)
          on d.id = o.subscription_id
        where o.webhook_id > $1 and o.webhook_id <= $2
          and (d.began_before is null or coalesce(o.replayed_at, ${timeOfUuid('o.webhook_id')}) < d.began_before)
        for update of o skip locked),
      ended as (
        delete from owed o using past p
        where o.webhook_id > $1 and o.webhook_id <= $2
          and o.webhook_id = p.webhook_id and o.subscription_id = p.subscription_id
        returning o.webhook_id, o.subscription_id, o.attempt, p.verdict, p.reason),
      logged as (
        insert into delivery_logs (id, subscription_id, webhook_id, "timestamp", attempt, status, verdict, error)
        select ${uuidV7Now}, subscription_id, webhook_id, now(), attempt, 'failed', verdict::attempt_verdict, reason
        from ended
        returning verdict),
      kept as (
        -- EXCEPT, not a join: that held each row of the batch against each of the others, as few were expected.
        select webhook_id, array_agg(subscription_id order by subscription_id) as subscription_ids
        from (select webhook_id, subscription_id from owed where webhook_id > $1 and webhook_id <= $2
              except select webhook_id, subscription_id from past) rest
        group by webhook_id),
      carried as (
        insert into events_carried
          (webhook_id, tenant, event_type, content_type, payload, subscription_ids, channels, metadata)
        select e.webhook_id, e.tenant, e.event_type, e.content_type, e.payload, k.subscription_ids, e.channels, e.metadata
        from kept k join events e on e.webhook_id = k.webhook_id
        where e.webhook_id > $1 and e.webhook_id <= $2
        for share of e -- its payload may be removed at this moment: either is copied after that, or the copy is found by it
        on conflict (webhook_id) do nothing
        returning webhook_id)
      select (select count(*)::int from logged where verdict = 'expired') as expired,
             (select count(*)::int from logged where verdict = 'cancelled') as cancelled,
             (select count(*)::int from carried) as carried`,
    values: [
      after,
      last,
      int4Array(endings.map(ending => ending.subscriptionId)),
      timestamptzArray(endings.map(ending => ending.beganBefore)),
      textArray(endings.map(ending => ending.verdict)),
      textArray(endings.map(ending => ending.reason)),
    ],
  })
  return rows[0] ?? { expired: 0, cancelled: 0, carried: 0 }
}

/** What became of some carried events. */
export interface CarriedPage {
  readonly rows: number
  readonly last: Uuid | undefined
}

/**
 * Looks at `limit` carried events behind `after`: those that are owed to nobody any more go, and the fan-out of the
 * others shrinks to those they are still owed to. What has been settled since is in the log, which may go before them.
 */
export async function trimCarried(db: Queryable, after: Uuid, limit: number): Promise<CarriedPage> {
  const { rows } = await db.query<{ rows: number; last: Uuid | null }>({
    text: `
      with page as materialized (
        select webhook_id, subscription_ids, ctid as place from events_carried where webhook_id > $1 order by webhook_id limit $2),
      owing as materialized (
        select p.webhook_id, p.place, p.subscription_ids as before,
          array(select subscription_id from owed o where o.webhook_id = p.webhook_id order by subscription_id) as now
        from page p),
      gone as (
        delete from events_carried where webhook_id = any(array(select webhook_id from owing where now = '{}'))),
      trimmed as (
        update events_carried c set subscription_ids = o.now from owing o
        where c.ctid = o.place and o.now <> '{}' and o.now <> o.before)
      select (select count(*)::int from page) as rows,
             (select webhook_id from page order by webhook_id desc limit 1) as last`,
    values: [after, limit],
  })
  return { rows: rows[0]?.rows ?? 0, last: rows[0]?.last ?? undefined }
}

/**
 * Looks at `limit` tombstones behind `after`, and removes those of subscriptions that were deleted before `before` (Unix
 * milliseconds) and that neither the log nor anything owed names any more.
 */
export async function clearTombstones(
  db: Queryable,
  after: number,
  before: number,
  limit: number,
): Promise<{ readonly rows: number; readonly last: number | undefined }> {
  const { rows } = await db.query<{ rows: number; last: number | null }>({
    text: `
      with page as materialized (
        select id, deleted_at from subscription_tombstones where id > $1 order by id limit $3),
      gone as (
        delete from subscription_tombstones t using page p
        where t.id = p.id and p.deleted_at < ($2::timestamptz[])[1]
          -- No lane: nothing is owed to it. As sub-selects with a limit these are probes of an index for each id; as NOT
          -- EXISTS the planner may read all of the log for them.
          and (select true from lanes where subscription_id = p.id) is null
          and (select true from delivery_logs where subscription_id = p.id limit 1) is null)
      select (select count(*)::int from page) as rows, (select max(id) from page) as last`,
    values: [after, timestamptzArray([before]), limit],
  })
  return { rows: rows[0]?.rows ?? 0, last: rows[0]?.last ?? undefined }
}

/** The time in a UUIDv7 (uuid_extract_timestamp came with PostgreSQL 17 only). */
function timeOfUuid(column: string): string {
  return `to_timestamp(('x' || substr(replace(${column}::text, '-', ''), 1, 12))::bit(48)::bigint / 1000.0)`
}
