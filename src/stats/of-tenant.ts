import type { Batch } from '../platform/batches.ts'
import type { Queryable } from '../platform/postgres.ts'
import { deleteSomeOfTenant, hasRowsOfTenant } from './retention-store.ts'

/**
 * Removes up to `limit` roll-ups of a deleted tenant. None are made for it from then on. Those of its subscriptions go by
 * retention: they are read by the id of a subscription, which is never used again.
 */
export async function deleteSomeStatsOf(
  session: Queryable,
  tenant: string,
  limit: number,
): Promise<Batch<number>> {
  const rows = await deleteSomeOfTenant(session, tenant, limit)
  return { rows, last: rows > 0 ? 0 : undefined }
}

/** Whether a tenant has roll-ups, which a new one with its id must not see. */
export function hasStatsOf(session: Queryable, tenant: string): Promise<boolean> {
  return hasRowsOfTenant(session, tenant)
}
