import { int4Array, uuidArray } from '../platform/binary-array.ts'
import type { Uuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'
import { logEnds } from './log-ends.ts'
import { letKeysGoOn } from './parked.ts'

// Each statement ends owed rows as cancelled, with a row in the log for each of them: one statement, so that no delivery is
// ever without both. A row that a process holds ends, too: no attempt follows the one that may be under way.
//
// Where rows may be in the memory of a process, one that is locked is being settled or given its next time at this moment. It
// is not waited for (SKIP LOCKED), so that no statement here can be in a circle with those of the log, which lock rows in any
// order.

const returned = 'returning o.webhook_id, o.subscription_id, o.attempt, o.trigger, o.ordering_key'
/** What waits behind them in an order by key goes on. */
const andLetKeysGoOn = `, ${letKeysGoOn('gone')}`

/** Up to `limit` rows of some events. @returns how many */
export async function endRowsOfEvents(
  db: Queryable,
  webhookIds: readonly Uuid[],
  reason: string,
  limit: number,
): Promise<number> {
  const { rowCount } = await db.query({
    text: `
      with page as materialized (
        select webhook_id, subscription_id from owed where webhook_id = any($1::uuid[])
        order by webhook_id, subscription_id limit $3 for update skip locked),
      gone as (
        delete from owed o using page p
        where o.webhook_id = any($1::uuid[]) and o.webhook_id = p.webhook_id and o.subscription_id = p.subscription_id
        ${returned})${andLetKeysGoOn}
      ${logEnds('gone', '$2')}`,
    values: [uuidArray(webhookIds), reason, limit],
  })
  return rowCount
}

/** Those rows of an event that no process holds and of which nothing was tried. @returns how many */
export async function endUnsentOfEvent(tx: Queryable, webhookId: Uuid, reason: string): Promise<number> {
  const { rowCount } = await tx.query({
    text: `
      with gone as (delete from owed o where webhook_id = $1 and owner is null and attempt = 1 ${returned})${andLetKeysGoOn}
      ${logEnds('gone', '$2')}`,
    values: [webhookId, reason],
  })
  return rowCount
}

/** The rows with these keys. @returns how many there were */
export async function endRows(
  db: Queryable,
  keys: readonly { readonly webhookId: Uuid; readonly subscriptionId: number }[],
  reason: string,
): Promise<number> {
  const { rowCount } = await db.query({
    text: `
      with page as materialized (
        select o.webhook_id, o.subscription_id
        from unnest($1::uuid[], $2::int[]) as k (webhook_id, subscription_id)
        join owed o on o.webhook_id = k.webhook_id and o.subscription_id = k.subscription_id
        where o.webhook_id = any($1::uuid[])
        order by o.webhook_id, o.subscription_id for update of o skip locked),
      gone as (
        delete from owed o using page p
        where o.webhook_id = any($1::uuid[]) and o.webhook_id = p.webhook_id and o.subscription_id = p.subscription_id
        ${returned})${andLetKeysGoOn}
      ${logEnds('gone', '$3')}`,
    values: [
      uuidArray(keys.map(({ webhookId }) => webhookId)),
      int4Array(keys.map(({ subscriptionId }) => subscriptionId)),
      reason,
    ],
  })
  return rowCount
}

/**
 * Up to `limit` rows that wait in these lanes. LATERAL with a limit: one range of the index per lane, and then each row by
 * its place, whatever the planner believes of the table.
 *
 * @returns how many there were
 */
export async function endWaitingIn(
  db: Queryable,
  subscriptionIds: readonly number[],
  reason: string,
  limit: number,
): Promise<number> {
  const { rowCount } = await db.query({
    name: 'end_waiting_in',
    text: `
      with picked as materialized (
        select o.place from unnest($1::int[]) as k (id)
        cross join lateral (
          select ctid as place from owed where subscription_id + 0 = k.id and owner is null
          order by due_at limit $3) o
        limit $3),
      gone as (
        delete from owed o where ctid = any(array(select place from picked)) and owner is null ${returned})
      ${logEnds('gone', '$2')}`,
    values: [int4Array(subscriptionIds), reason, limit],
  })
  return rowCount
}
