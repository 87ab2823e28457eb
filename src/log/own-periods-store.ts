import { timestamptzArray } from '../platform/binary-array.ts'
import type { Uuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'

/** What one batch has removed. */
export interface RemovedPage<Position> {
  /** Rows that were looked at. */
  readonly rows: number
  readonly last: Position | undefined
  readonly removed: number
}

interface Counted<Position> {
  readonly rows: number
  readonly last: Position | null
  readonly removed: number
}

function pageOf<Position>(rows: readonly Counted<Position>[]): RemovedPage<Position> {
  const [page] = rows
  return { rows: page?.rows ?? 0, last: page?.last ?? undefined, removed: page?.removed ?? 0 }
}

/**
 * Looks at `limit` events of a tenant behind `after` and before `before`, and removes those that are owed to nobody. The
 * fan-out of the others shrinks to whom they are still owed: the log of the rest may go. Events that were scheduled for
 * later than `dueBefore` (Unix milliseconds) stay whole.
 */
export async function removeEventsOf(
  db: Queryable,
  tenant: string,
  range: { readonly after: Uuid; readonly before: Uuid; readonly dueBefore: number },
  limit: number,
): Promise<RemovedPage<Uuid>> {
  const { rows } = await db.query<Counted<Uuid>>({
    text: `
      with page as materialized (
        select webhook_id, subscription_ids, deliver_at from events
        where tenant = $1 and webhook_id > $2 and webhook_id < $3 order by webhook_id limit $4),
      owing as materialized (
        select webhook_id, subscription_ids as before, array(
          select subscription_id from owed o where o.webhook_id = p.webhook_id order by subscription_id) as now
        from page p where coalesce(deliver_at < ($5::timestamptz[])[1], true)),
      gone as (
        delete from events where webhook_id > $2 and webhook_id < $3
          and webhook_id = any(array(select webhook_id from owing where now = '{}'))
        returning 1),
      trimmed as (
        update events e set subscription_ids = o.now from owing o
        where e.webhook_id > $2 and e.webhook_id < $3 and e.webhook_id = o.webhook_id
          and e.webhook_id = any(array(select webhook_id from owing where now <> '{}' and now <> before)))
      select (select count(*)::int from page) as rows,
        (select webhook_id from page order by webhook_id desc limit 1) as last,
        (select count(*)::int from gone) as removed`,
    values: [tenant, range.after, range.before, limit, timestamptzArray([range.dueBefore])],
  })
  return pageOf(rows)
}

/** Subscriptions of a tenant, deleted ones among them. */
export interface SubscriptionPage {
  readonly rows: number
  readonly last: number | undefined
  /** Those of them that have something in the log of this time. */
  readonly logged: readonly number[]
}

export async function readLogged(
  db: Queryable,
  tenant: string,
  after: number,
  range: { readonly from: Uuid; readonly before: Uuid },
  limit: number,
): Promise<SubscriptionPage> {
  const { rows } = await db.query<{ rows: number; last: number | null; logged: number[] }>({
    text: `
      with page as materialized (
        select id from (
          (select id from subscriptions where tenant = $1 and id > $2 order by id limit $3)
          union
          (select id from subscription_tombstones where tenant = $1 and id > $2 order by id limit $3)) both_kinds
        order by id limit $3)
      select (select count(*)::int from page) as rows, (select max(id) from page) as last,
        -- A sub-select with a limit is a probe of an index for each id.
        array(select id from page p where (
          select true from delivery_logs where subscription_id = p.id and id >= $4 and id < $5 limit 1)) as logged`,
    values: [tenant, after, limit, range.from, range.before],
  })
  return { rows: rows[0]?.rows ?? 0, last: rows[0]?.last ?? undefined, logged: rows[0]?.logged ?? [] }
}

/** Removes up to `limit` rows of the log of a subscription behind `after` and before `before`. */
export async function removeLogOf(
  db: Queryable,
  subscriptionId: number,
  range: { readonly after: Uuid; readonly before: Uuid },
  limit: number,
): Promise<RemovedPage<Uuid>> {
  return removeByLog(db, 'delivery_logs', subscriptionId, range, limit)
}

/** Removes the details of up to `limit` attempts of a subscription behind `after` and before `before`. */
export async function removeDetailsOf(
  db: Queryable,
  subscriptionId: number,
  range: { readonly after: Uuid; readonly before: Uuid },
  limit: number,
): Promise<RemovedPage<Uuid>> {
  return removeByLog(db, 'attempt_details', subscriptionId, range, limit)
}

async function removeByLog(
  db: Queryable,
  table: 'delivery_logs' | 'attempt_details',
  subscriptionId: number,
  { after, before }: { readonly after: Uuid; readonly before: Uuid },
  limit: number,
): Promise<RemovedPage<Uuid>> {
  const { rows } = await db.query<Counted<Uuid>>({
    text: `
      with page as materialized (
        select id from delivery_logs where subscription_id = $1 and id > $2 and id < $3 order by id limit $4),
      gone as (
        delete from ${table} where id > $2 and id < $3 and id = any(array(select id from page)) returning 1)
      select (select count(*)::int from page) as rows, (select id from page order by id desc limit 1) as last,
        (select count(*)::int from gone) as removed`,
    values: [subscriptionId, after, before, limit],
  })
  return pageOf(rows)
}

/** Removes up to `limit` entries of the audit log of a tenant behind `after` and before `before`. */
export async function removeAuditOf(
  db: Queryable,
  tenant: string,
  { after, before }: { readonly after: Uuid; readonly before: Uuid },
  limit: number,
): Promise<RemovedPage<Uuid>> {
  const { rows } = await db.query<Counted<Uuid>>({
    text: `
      with page as materialized (
        select id from audit_log where tenant = $1 and id > $2 and id < $3 order by id limit $4),
      gone as (
        delete from audit_log where id > $2 and id < $3 and id = any(array(select id from page)) returning 1)
      select (select count(*)::int from page) as rows, (select id from page order by id desc limit 1) as last,
        (select count(*)::int from gone) as removed`,
    values: [tenant, after, before, limit],
  })
  return pageOf(rows)
}
