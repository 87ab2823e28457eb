import type { Batch } from '../platform/batches.ts'
import type { Queryable } from '../platform/postgres.ts'
import { deleteEndedOf, hasReplays } from './store.ts'

/** Removes up to `limit` replays of a deleted tenant. Those that still run end by themselves: nothing is left to send. */
export async function deleteSomeReplaysOf(
  session: Queryable,
  tenant: string,
  limit: number,
): Promise<Batch<number>> {
  const rows = await deleteEndedOf(session, tenant, limit)
  return { rows, last: rows > 0 ? 0 : undefined }
}

/** Whether a tenant has replays. */
export function hasReplaysOf(session: Queryable, tenant: string): Promise<boolean> {
  return hasReplays(session, tenant)
}
