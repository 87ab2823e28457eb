import type { Uuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'

/** How many deliveries of an event are in which state. */
export interface StateCounts {
  readonly success: number
  readonly failed: number
  readonly pending: number
  readonly cancelled: number
}

export interface CountedEvents {
  readonly counts: ReadonlyMap<Uuid, StateCounts>
  /** False: the log of these events has more rows than were read. */
  readonly isAll: boolean
}

/**
 * Counts the deliveries of some events. In one statement, so in one snapshot: one that is settled meanwhile is counted as
 * owed or as ended.
 *
 * @param since for each event, the id from which on its attempts are logged
 * @param rowsMax rows of the log that are read at the most
 */
export async function countDeliveries(
  db: Queryable,
  events: readonly { readonly id: Uuid; readonly since: Uuid }[],
  rowsMax: number,
): Promise<CountedEvents> {
  const { rows } = await db.query<StateCounts & { webhook_id: Uuid; log_rows: number }>({
    text: `
      with e as materialized (select id, since from unnest($1::uuid[], $2::uuid[]) as t (id, since)),
      owing as materialized (
        select o.webhook_id, o.subscription_id, o.owner is null and s.is_there is null as is_ending
        from e cross join lateral (
          select webhook_id, subscription_id, owner from owed where webhook_id = e.id offset 0) o
        left join lateral (select true as is_there from subscriptions where id = o.subscription_id limit 1) s on true),
      ended as materialized (
        select l.* from e cross join lateral (
          select webhook_id, subscription_id, verdict, id from delivery_logs
          where webhook_id = e.id and id >= e.since and verdict <> 'retry' offset 0) l
        limit $3),
      last as (
        select distinct on (webhook_id, subscription_id) webhook_id, subscription_id, verdict from ended
        order by webhook_id, subscription_id, id desc),
      delivery as (
        select webhook_id, case when is_ending then 'cancelled' else 'pending' end as state from owing
        union all
        select l.webhook_id, case l.verdict when 'delivered' then 'success' when 'cancelled' then 'cancelled' else 'failed' end
        from last l left join owing o on o.webhook_id = l.webhook_id and o.subscription_id = l.subscription_id
        where o.webhook_id is null)
      select webhook_id,
             count(*) filter (where state = 'success')::int as success,
             count(*) filter (where state = 'failed')::int as failed,
             count(*) filter (where state = 'pending')::int as pending,
             count(*) filter (where state = 'cancelled')::int as cancelled,
             (select count(*)::int from ended) as log_rows
      from delivery group by webhook_id`,
    values: [events.map(({ id }) => id), events.map(({ since }) => since), rowsMax],
  })
  return {
    counts: new Map(rows.map(({ webhook_id, log_rows, ...counts }) => [webhook_id, counts])),
    isAll: (rows[0]?.log_rows ?? 0) < rowsMax,
  }
}
