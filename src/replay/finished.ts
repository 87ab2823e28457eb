import type { RowsOfTenant } from '../model/rows-of-tenant.ts'
import { besideThePath, inBatches } from '../platform/batches.ts'
import type { Clock } from '../platform/clock.ts'
import { earlierNow } from '../platform/database-time.ts'
import { uuidLowerBound } from '../platform/id.ts'
import type { Logger } from '../platform/logger.ts'
import type { Database, Queryable } from '../platform/postgres.ts'
import { countFinished, deleteFinished } from './store.ts'

export interface FinishedDeps {
  readonly database: Database
  readonly clock: Clock
  readonly logger: Logger
  /** For how long events are kept. */
  readonly retentionMs: number
}

/** Those that are removed by now, by tenant. @param before Unix milliseconds: they had ended by then */
export function countFinishedReplays(db: Queryable, before: number): Promise<readonly RowsOfTenant[]> {
  return countFinished(db, before)
}

/**
 * Removes replays that had ended before all events that are kept now: nothing can be done with them any more. Those that still
 * run stay.
 *
 * @returns how many
 */
export async function removeFinishedReplays(
  { database, clock, logger, retentionMs }: FinishedDeps,
  signal: AbortSignal,
): Promise<number> {
  const before = (await earlierNow(database, clock)) - retentionMs
  const name = 'removal of finished replays'
  let removed = 0
  await besideThePath(database, name, session =>
    inBatches({ name, logger, signal }, uuidLowerBound(0), async (after, limit) => {
      const page = await deleteFinished(session, before, after, limit)
      removed += page.removed
      return page
    }),
  )
  return removed
}
