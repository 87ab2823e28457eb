import type { Batch } from '../platform/batches.ts'
import type { Uuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'
import { countFinished, deleteFinished } from './store.ts'

/**
 * Looks at up to `limit` replays behind `after`, in the order in which they were made, and removes those that had ended before a
 * moment (Unix milliseconds): their events have gone with retention, so nothing can be done with them any more. Those that still
 * run stay. To be called by retention, batch by batch.
 */
export function removeFinishedReplays(
  session: Queryable,
  before: number,
  after: Uuid,
  limit: number,
): Promise<Batch<Uuid>> {
  return deleteFinished(session, before, after, limit)
}

/** How many these are, for a dry run. */
export function countFinishedReplays(db: Queryable, before: number): Promise<number> {
  return countFinished(db, before)
}
