import type { RowsOfTenant } from '../model/rows-of-tenant.ts'
import { besideThePath, inBatches } from '../platform/batches.ts'
import type { Clock } from '../platform/clock.ts'
import { earlierNow } from '../platform/database-time.ts'
import { type Uuid, uuidLowerBound } from '../platform/id.ts'
import type { Logger } from '../platform/logger.ts'
import type { Database, Queryable } from '../platform/postgres.ts'
import { countChangesBefore, removeChangesBefore } from './old-changes-store.ts'

export interface OldChangesDeps {
  readonly database: Database
  readonly clock: Clock
  readonly logger: Logger
  readonly retentionMs: number
}

/** Those that are removed by now, by tenant. @param before Unix milliseconds: they are older */
export function countOldChanges(db: Queryable, before: number): Promise<readonly RowsOfTenant[]> {
  return countChangesBefore(db, uuidLowerBound(before))
}

/** Removes changes of states of subscriptions that are older than the log. @returns how many */
export async function removeOldChanges(
  { database, clock, logger, retentionMs }: OldChangesDeps,
  signal: AbortSignal,
): Promise<number> {
  const before = uuidLowerBound((await earlierNow(database, clock)) - retentionMs)
  const name = 'removal of old changes of states'
  const { rows } = await besideThePath(database, 'old-changes', session =>
    inBatches<Uuid>({ name, logger, signal }, uuidLowerBound(0), (_after, limit) =>
      removeChangesBefore(session, before, limit),
    ),
  )
  return rows
}
