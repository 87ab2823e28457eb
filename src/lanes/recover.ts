import type { Holdings, Recovered } from '../cluster/membership.ts'
import { tryLockForSession } from '../platform/advisory-lock.ts'
import { besideThePath, inBatches } from '../platform/batches.ts'
import type { Clock } from '../platform/clock.ts'
import { uuidLowerBound } from '../platform/id.ts'
import type { Logger } from '../platform/logger.ts'
import type { Database } from '../platform/postgres.ts'
import { freeHeld, giveBackHeld } from './recover-store.ts'

export interface RecoverDeps {
  readonly database: Database
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * Puts everything that a process held into the lanes, due now: first the lanes it had leased, then the rows that were born
 * leased to it, which lie in the range that it has published. Batch by batch, each a transaction; one process at a time
 * does it. Told to stop, or cut off, it leaves what it has freed, and the next call goes on with the rest.
 */
export function recoverHoldings(
  { database, clock, logger }: RecoverDeps,
  { id, from }: Holdings,
  signal: AbortSignal,
): Promise<Recovered> {
  return besideThePath(database, 'recovery', async (session): Promise<Recovered> => {
    if (!(await tryLockForSession(session, 'recovery'))) return { kind: 'busy' }
    const options = { logger, signal }
    const lanes = await inBatches(
      { ...options, name: `giving back the lanes of process ${id}` },
      -1,
      (after, limit) => giveBackHeld(session, id, after, limit, clock.now()),
    )
    let deliveries = 0
    const rows = await inBatches(
      { ...options, name: `freeing the deliveries of process ${id}` },
      { webhookId: uuidLowerBound(from), subscriptionId: -1 },
      async (after, limit) => {
        const page = await freeHeld(session, id, after, limit, clock.now())
        deliveries += page.freed
        return page
      },
    )
    return { kind: 'recovered', deliveries, isDone: lanes.isDone && rows.isDone }
  })
}
