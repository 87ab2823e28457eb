import type { Member } from '../cluster/membership.ts'
import type { Logger } from '../platform/logger.ts'
import type { Queryable } from '../platform/postgres.ts'
import { endWaitingIn } from './end-owed-store.ts'
import type { LeasedLane } from './leased-lane.ts'
import { deleteLane } from './store.ts'

/** Rows that end with one statement. */
const cancelledRowsMax = 1000

export interface DeletedLaneDeps {
  readonly connection: Queryable
  readonly logger: Logger
  readonly membership: Pick<Member, 'id'>
  /** Reads the subscription anew, and says whether it exists. */
  readonly refreshSubscription: (id: number) => Promise<boolean>
}

/**
 * One step in the end of a lane whose subscription seems to be gone: what is owed to it ends in the log, some rows at a
 * time, and the lane goes when nothing is left of it in the database or in memory.
 */
export async function drainDeleted(
  { connection, logger, membership, refreshSubscription }: DeletedLaneDeps,
  { subscriptionId, inMemory }: Pick<LeasedLane, 'subscriptionId' | 'inMemory'>,
): Promise<'exists' | 'draining' | 'in memory' | 'drained'> {
  if (await refreshSubscription(subscriptionId)) return 'exists'
  const cancelled = await endWaitingIn(
    connection,
    [subscriptionId],
    'the subscription was deleted',
    cancelledRowsMax,
  )
  if (cancelled > 0) {
    logger.info(
      { subscription: subscriptionId, cancelled },
      'cancelled what was owed to a deleted subscription',
    )
    return 'draining'
  }
  if (inMemory > 0) return 'in memory'
  await deleteLane(connection, membership.id, subscriptionId)
  return 'drained'
}
