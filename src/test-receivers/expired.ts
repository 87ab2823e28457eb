import type { RowsOfTenant } from '../model/rows-of-tenant.ts'
import type { Queryable } from '../platform/postgres.ts'
import { countExpiredReceivers, deleteExpiredReceivers } from './store.ts'

/** Of each statement; each has up to a hundred requests. */
const receiversMost = 10

/** Removes test receivers that have expired, with all that they got, and tells every process. @param now Unix milliseconds */
export async function removeExpiredReceivers(
  db: Queryable,
  now: number,
  signal: AbortSignal,
): Promise<number> {
  let removed = 0
  while (!signal.aborted) {
    const some = await deleteExpiredReceivers(db, new Date(now), receiversMost)
    removed += some
    if (some < receiversMost) break
  }
  return removed
}

/** The rows that `removeExpiredReceivers` would remove, by tenant: of receivers and of what they got. */
export function countExpired(db: Queryable, now: number): Promise<readonly RowsOfTenant[]> {
  return countExpiredReceivers(db, new Date(now))
}
