import type { Queryable } from '../platform/postgres.ts'
import { uuidV7Now } from '../platform/sql.ts'

/**
 * Settles as cancelled what is owed to a subscription that no longer exists: up to `limit` rows.
 *
 * @returns how many there were
 */
export async function cancelOwed(
  db: Queryable,
  subscriptionId: number,
  reason: string,
  limit: number,
): Promise<number> {
  const { rowCount } = await db.query({
    name: 'cancel_owed',
    text: `
      with gone as (
        delete from owed where (webhook_id, subscription_id) in (
          select webhook_id, subscription_id from owed
          where subscription_id + 0 = $1 and owner is null order by due_at limit $3)
        returning webhook_id, subscription_id, attempt)
      insert into delivery_logs (id, subscription_id, webhook_id, "timestamp", attempt, status, verdict, error)
      select ${uuidV7Now}, subscription_id, webhook_id, now(), attempt, 'failed', 'cancelled', $2 from gone`,
    values: [subscriptionId, reason, limit],
  })
  return rowCount
}

/** Removes the lane of a deleted subscription once nothing is owed to it. */
export async function deleteLane(db: Queryable, subscriptionId: number): Promise<void> {
  await db.query({ text: 'delete from lanes where subscription_id = $1', values: [subscriptionId] })
}
