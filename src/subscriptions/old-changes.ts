import { besideThePath, inBatches } from '../platform/batches.ts'
import type { Clock } from '../platform/clock.ts'
import { type Uuid, uuidLowerBound } from '../platform/id.ts'
import type { Logger } from '../platform/logger.ts'
import type { Database } from '../platform/postgres.ts'
import { removeChangesBefore } from './old-changes-store.ts'

export interface OldChangesDeps {
  readonly database: Database
  readonly clock: Clock
  readonly logger: Logger
  readonly retentionMs: number
}

/** Removes changes of states of subscriptions that are older than the log. */
export async function removeOldChanges(
  { database, clock, logger, retentionMs }: OldChangesDeps,
  signal: AbortSignal,
): Promise<void> {
  const before = uuidLowerBound(clock.now() - retentionMs)
  const name = 'removal of old changes of states'
  await besideThePath(database, 'old-changes', session =>
    inBatches<Uuid>({ name, logger, signal }, uuidLowerBound(0), (_after, limit) =>
      removeChangesBefore(session, before, limit),
    ),
  )
}
