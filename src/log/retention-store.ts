import { logEnds } from '../lanes/log-ends.ts'
import { int4Array, textArray, timestamptzArray } from '../platform/binary-array.ts'
import { type Uuid, uuidLowerBound } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'
import { noteGivenUp } from '../system-facts/facts.ts'

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
 *
 * @param keepers tenants whose events stay where they are, so that none is copied
 */
export async function endOrCarry(
  db: Queryable,
  after: Uuid,
  last: Uuid,
  endings: readonly Ending[],
  keepers: readonly string[] = [],
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
        returning o.webhook_id, o.subscription_id, o.attempt, o.trigger, p.verdict, p.reason),
      logged as (
        ${logEnds('ended', 'reason', 'verdict::attempt_verdict')}
        returning id, subscription_id, webhook_id, verdict),
      dead as (select id, subscription_id, webhook_id from logged where verdict = 'expired'),
      ${noteGivenUp('dead')},
      kept as (
        -- EXCEPT, not a join: that held each row of the batch against each of the others, as few were expected.
        select webhook_id, array_agg(subscription_id order by subscription_id) as subscription_ids
        from (select webhook_id, subscription_id from owed where webhook_id > $1 and webhook_id <= $2
              except select webhook_id, subscription_id from past) rest
        group by webhook_id),
      carried as (
        insert into events_carried
          (webhook_id, tenant, event_type, content_type, payload, subscription_ids, channels, metadata, event_id,
           idempotency_key, deliver_at)
        select e.webhook_id, e.tenant, e.event_type, e.content_type, e.payload, k.subscription_ids, e.channels, e.metadata,
               e.event_id, e.idempotency_key, e.deliver_at
        from kept k join events e on e.webhook_id = k.webhook_id
        where e.webhook_id > $1 and e.webhook_id <= $2 and e.tenant <> all($7::text[])
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
      [...keepers],
    ],
  })
  return rows[0] ?? { expired: 0, cancelled: 0, carried: 0 }
}

/** A place among scheduled events, in the order of their times. */
export interface ScheduledPosition {
  /** Unix milliseconds. */
  readonly deliverAt: number
  readonly webhookId: Uuid
}

/**
 * Of the events behind `after` and before `before`: copies up to `limit` of those that were to be delivered later than
 * `position` to where they outlive their partition. They are kept for as long as if they had been accepted then.
 */
export async function carryScheduled(
  db: Queryable,
  after: Uuid,
  before: Uuid,
  position: ScheduledPosition,
  limit: number,
  keepers: readonly string[] = [],
): Promise<{ readonly rows: number; readonly last: ScheduledPosition | undefined }> {
  const { rows } = await db.query<{ rows: number; due_ms: number | null; webhook_id: Uuid | null }>({
    text: `
      with page as materialized (
        select webhook_id, deliver_at from events
        where webhook_id > $1 and webhook_id < $2 and deliver_at is not null
          and (deliver_at, webhook_id) > (($3::timestamptz[])[1], $4)
        order by deliver_at, webhook_id limit $5),
      carried as (
        insert into events_carried
          (webhook_id, tenant, event_type, content_type, payload, subscription_ids, channels, metadata, event_id,
           idempotency_key, deliver_at)
        select e.webhook_id, e.tenant, e.event_type, e.content_type, e.payload, e.subscription_ids, e.channels, e.metadata,
               e.event_id, e.idempotency_key, e.deliver_at
        from page p join events e on e.webhook_id = p.webhook_id
        where e.webhook_id > $1 and e.webhook_id < $2 and e.tenant <> all($6::text[])
        for share of e -- as above
        on conflict (webhook_id) do nothing)
      select (select count(*)::int from page) as rows, (extract(epoch from deliver_at) * 1000)::float8 as due_ms, webhook_id
      from (values (1)) as one (n)
      left join (select * from page order by deliver_at desc, webhook_id desc limit 1) last on true`,
    values: [after, before, timestamptzArray([position.deliverAt]), position.webhookId, limit, [...keepers]],
  })
  const [page] = rows
  const { due_ms: deliverAt, webhook_id: webhookId } = page ?? { due_ms: null, webhook_id: null }
  const last = deliverAt === null || webhookId === null ? undefined : { deliverAt, webhookId }
  return { rows: page?.rows ?? 0, last }
}

/** What became of some carried events. */
export interface CarriedPage {
  readonly rows: number
  readonly last: Uuid | undefined
}

/**
 * Looks at `limit` carried events behind `after`: those that are owed to nobody any more go, and the fan-out of the
 * others shrinks to those they are still owed to. What has been settled since is in the log, which may go before them.
 *
 * An event whose time came within the retention stays whole for as long as that. Shortly before its end its fan-out shrinks
 * to those whom it is owed or who are in the log that is kept: what ended before its time may not be in it any more.
 *
 * @param times in Unix milliseconds. What came before `before` is too old, and the log of that time may go; events that were
 *   scheduled for between that and `whole` are close to their end
 */
export async function trimCarried(
  db: Queryable,
  after: Uuid,
  times: { readonly before: number; readonly whole: number; readonly now: number },
  limit: number,
): Promise<CarriedPage> {
  const { rows } = await db.query<{ rows: number; last: Uuid | null }>({
    text: `
      with page as materialized (
        select webhook_id, subscription_ids, deliver_at, ctid as place
        from events_carried where webhook_id > $1 order by webhook_id limit $2),
      owing as materialized (
        select p.webhook_id, p.place, p.deliver_at, p.subscription_ids as before,
          case
            when p.deliver_at > times.whole and p.deliver_at <= times.now then p.subscription_ids
            when p.deliver_at > times.before and p.deliver_at <= times.now then array(
              select subscription_id from owed o where o.webhook_id = p.webhook_id
              union
              select subscription_id from delivery_logs l
              where l.webhook_id = p.webhook_id and l.verdict <> 'retry' and l.id > $4
              order by subscription_id)
            else array(select subscription_id from owed o where o.webhook_id = p.webhook_id order by subscription_id)
          end as now
        from page p, (select ($3::timestamptz[])[1] as before, ($3::timestamptz[])[2] as whole,
                             ($3::timestamptz[])[3] as now) times),
      gone as (
        delete from events_carried where webhook_id = any(array(
          select webhook_id from owing
          where now = '{}' and (before <> '{}' or coalesce(deliver_at <= ($3::timestamptz[])[1], true))))),
      trimmed as (
        update events_carried c set subscription_ids = o.now from owing o
        where c.ctid = o.place and o.now <> '{}' and o.now <> o.before)
      select (select count(*)::int from page) as rows,
             (select webhook_id from page order by webhook_id desc limit 1) as last`,
    values: [
      after,
      limit,
      timestamptzArray([times.before, times.whole, times.now]),
      uuidLowerBound(times.before),
    ],
  })
  return { rows: rows[0]?.rows ?? 0, last: rows[0]?.last ?? undefined }
}

/** Whether there is an event of a tenant, that is not the default one. */
export async function hasCarried(db: Queryable, tenant: string): Promise<boolean> {
  const { rows } = await db.query({
    text: `(select from events_carried where tenant = $1 limit 1)
           union all
           (select from events where tenant = $1 and tenant <> 'default' limit 1)`,
    values: [tenant],
  })
  return rows.length > 0
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
