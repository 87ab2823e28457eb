import type { Batch } from '../platform/batches.ts'
import type { Queryable } from '../platform/postgres.ts'
import { deleteSourcesOf } from './store.ts'

/** Removes up to `limit` sources of a deleted tenant, with all that they refused. */
export async function deleteSomeSourcesOf(
  session: Queryable,
  tenant: string,
  limit: number,
): Promise<Batch<number>> {
  const rows = await deleteSourcesOf(session, tenant, limit)
  return { rows, last: rows > 0 ? 0 : undefined }
}
