import { besideThePath, inBatches } from '../platform/batches.ts'
import type { Clock } from '../platform/clock.ts'
import { uuidLowerBound } from '../platform/id.ts'
import type { Logger } from '../platform/logger.ts'
import type { Database } from '../platform/postgres.ts'
import { deleteFinished } from './store.ts'

export interface FinishedDeps {
  readonly database: Database
  readonly clock: Clock
  readonly logger: Logger
  /** For how long events are kept. */
  readonly retentionMs: number
}

/**
 * Removes replays that had ended before all events that are kept now: nothing can be done with them any more. Those that still
 * run stay.
 */
export async function removeFinishedReplays(
  { database, clock, logger, retentionMs }: FinishedDeps,
  signal: AbortSignal,
): Promise<void> {
  const before = clock.now() - retentionMs
  await besideThePath(database, 'removal of finished replays', session =>
    inBatches({ name: 'removal of finished replays', logger, signal }, uuidLowerBound(0), (after, limit) =>
      deleteFinished(session, before, after, limit),
    ),
  )
}
