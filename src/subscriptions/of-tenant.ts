import type { Batch } from '../platform/batches.ts'
import type { Queryable } from '../platform/postgres.ts'
import { deleteSubscriptions, hasTombstones, readIdsOf } from './store.ts'
import type { SubscriptionLanes } from './subscription-lanes.ts'

/**
 * Deletes up to `limit` subscriptions of a tenant. Their lanes are held, so that no process leases ten thousand of them
 * for rows that only have to end; who has leased one gives it back.
 */
export async function deleteSomeOf(
  session: Queryable,
  lanes: Pick<SubscriptionLanes, 'holdAll'>,
  tenant: string,
  limit: number,
): Promise<Batch<number>> {
  const ids = await readIdsOf(session, tenant, limit)
  if (ids.length > 0) {
    // Held first: cut off in between, the next batch finds the subscriptions again.
    await lanes.holdAll(session, ids)
    await deleteSubscriptions(session, ids)
  }
  return { rows: ids.length, last: ids.at(-1) }
}

/** Whether a tenant has subscriptions. */
export async function hasSubscriptions(session: Queryable, tenant: string): Promise<boolean> {
  return (await readIdsOf(session, tenant, 1)).length > 0
}

/** Whether subscriptions of a tenant were deleted that the log may still name. */
export function leftTombstones(session: Queryable, tenant: string): Promise<boolean> {
  return hasTombstones(session, tenant)
}
