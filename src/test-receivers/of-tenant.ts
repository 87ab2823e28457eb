import type { Batch } from '../platform/batches.ts'
import type { Queryable } from '../platform/postgres.ts'
import { deleteReceiversOf } from './store.ts'

/** Removes up to `limit` receivers of a deleted tenant, with all that they got. */
export async function deleteSomeTestReceiversOf(
  session: Queryable,
  tenant: string,
  limit: number,
): Promise<Batch<number>> {
  const rows = await deleteReceiversOf(session, tenant, limit)
  return { rows, last: rows > 0 ? 0 : undefined }
}
