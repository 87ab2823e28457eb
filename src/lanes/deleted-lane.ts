import type { Logger } from '../platform/logger.ts'
import type { Queryable } from '../platform/postgres.ts'
import { cancelOwed, deleteLane } from './deleted-store.ts'
import type { Lane } from './held-lane.ts'

/** Rows that end with one statement. */
const rowsMax = 1000

export interface DeletedLaneDeps {
  readonly connection: Queryable
  readonly logger: Logger
  /** Reads the subscription anew, and says whether it exists. */
  readonly refreshSubscription: (id: number) => Promise<boolean>
}

/**
 * One step in the end of a lane whose subscription seems to be gone: what is owed to it ends in the log, some rows at a
 * time, and the lane goes when nothing is left of it in the database or in memory.
 */
export async function drainDeleted(
  { connection, logger, refreshSubscription }: DeletedLaneDeps,
  { subscriptionId, inMemory }: Pick<Lane, 'subscriptionId' | 'inMemory'>,
): Promise<'exists' | 'draining' | 'in memory' | 'drained'> {
  if (await refreshSubscription(subscriptionId)) return 'exists'
  const cancelled = await cancelOwed(connection, subscriptionId, 'the subscription was deleted', rowsMax)
  if (cancelled > 0) {
    logger.info(
      { subscription: subscriptionId, cancelled },
      'cancelled what was owed to a deleted subscription',
    )
    return 'draining'
  }
  if (inMemory > 0) return 'in memory'
  await deleteLane(connection, subscriptionId)
  return 'drained'
}
