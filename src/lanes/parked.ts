import { wakeOrMakeLanes } from './wake.ts'

/**
 * The time at which a row is due that waits behind another one of its key: never. A finite time and not infinity, which a
 * Date cannot hold. Unix milliseconds.
 */
export const parkedAt = Date.UTC(9999, 0, 1)

/** The same in SQL. */
export const parkedAtSql = `timestamptz '9999-01-01 00:00:00+00'`

/**
 * SQL for when a row `o` is due that is parked no more. Never before its place: those of its key that come before it may be
 * due until then.
 */
export const dueNow = 'greatest(now(), o.place_at)'

/** SQL that is true for a row that waits behind its key. @param row the name of a row of `owed` */
export const isParked = (row: string): string => `(${row}.due_at >= ${parkedAtSql})`

/**
 * CTEs that let keys go on whose first rows have ended by other means than an attempt: what waits next behind each of them
 * is due now, and its lane, too. Where the key would have gone on anyway it does no harm: an order is kept by `place_at`.
 *
 * @param gone the name of a CTE with the columns `webhook_id`, `subscription_id` and `ordering_key` of rows that end in the
 *   same statement
 */
export function letKeysGoOn(gone: string): string {
  return `
    next_of_key as materialized (
      select n.webhook_id, n.subscription_id
      from (select distinct subscription_id, ordering_key from ${gone} where ordering_key is not null) k
      cross join lateral (
        select o.webhook_id, o.subscription_id from owed o
        where o.subscription_id + 0 = k.subscription_id and o.ordering_key = k.ordering_key
          and o.place_at is not null and ${isParked('o')}
          and not exists ( -- of two writes to one row in one statement PostgreSQL makes one
            select from ${gone} g where g.webhook_id = o.webhook_id and g.subscription_id = o.subscription_id)
        order by o.place_at, o.webhook_id limit 1) n),
    going_on as (
      update owed o set due_at = ${dueNow} from next_of_key n
      where o.webhook_id = any(array(select webhook_id from next_of_key)) and o.webhook_id = n.webhook_id
        and o.subscription_id = n.subscription_id and ${isParked('o')}
      returning o.subscription_id, o.due_at),
    ${wakeOrMakeLanes('going_on')}`
}
