import type { Uuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'
import { uuidV7Now } from '../platform/sql.ts'

/**
 * Empties the payload of an event and marks it, wherever it is kept; one that is marked already stays as it is. Retention
 * may be copying the event at this moment: it then holds a lock on the row of `events`, so that table comes first, and the
 * copy is seen by the second statement.
 *
 * @param tx an open transaction
 */
export async function expungePayload(tx: Queryable, webhookId: Uuid): Promise<void> {
  for (const table of ['events', 'events_carried']) {
    await tx.query({
      text: `
        update ${table} set payload = '', metadata = coalesce(metadata, '{}') ||
          jsonb_build_object('expunged', jsonb_build_object('at', to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'size_bytes', octet_length(payload)))
        where webhook_id = $1 and not coalesce(metadata ? 'expunged', false)`,
      values: [webhookId],
    })
  }
}

/**
 * Ends some of what is owed of an event in the log, whoever holds it in memory: no attempt follows the one that may be under
 * way. A row that is locked is being settled at this moment, and left out; should it stay owed, it ends when its turn comes.
 *
 * @returns how many
 */
export async function cancelOwedOf(
  db: Queryable,
  webhookId: Uuid,
  reason: string,
  limit: number,
): Promise<number> {
  const { rowCount } = await db.query({
    text: `
      with page as materialized (
        select subscription_id from owed where webhook_id = $1 order by subscription_id limit $3 for update skip locked),
      gone as (
        delete from owed where webhook_id = $1 and subscription_id = any(array(select subscription_id from page))
        returning webhook_id, subscription_id, attempt, trigger)
      insert into delivery_logs (id, subscription_id, webhook_id, "timestamp", attempt, status, verdict, trigger, error)
      select ${uuidV7Now}, subscription_id, webhook_id, now(), attempt, 'failed', 'cancelled', coalesce(trigger, 'auto'), $2
      from gone`,
    values: [webhookId, reason, limit],
  })
  return rowCount
}
