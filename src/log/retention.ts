import { maxAgeMs } from '../deliver/deliver.ts'
import type { Clock } from '../platform/clock.ts'
import { uuidLowerBound } from '../platform/id.ts'
import type { Logger } from '../platform/logger.ts'
import type { Database } from '../platform/postgres.ts'
import type { Subscription } from '../subscriptions/subscription.ts'
import { dropPartitions, ensurePartitions, oldestMoment } from './partitions.ts'
import {
  carryOver,
  dropSettledCarried,
  expireOwed,
  readOldOwing,
  removeTombstones,
} from './retention-store.ts'

export interface RetentionDeps {
  readonly database: Database
  readonly clock: Clock
  readonly logger: Logger
  readonly retentionHours: number
  /** Where the details of attempts are kept for less. */
  readonly detailsHours?: number | undefined
  readonly subscription: (id: number) => Subscription | undefined
}

/** What one round did. */
export interface RetentionReport {
  readonly partitionsMade: number
  readonly partitionsDropped: readonly string[]
  /** Deliveries ended in the log because their policy no longer wants them. */
  readonly expired: number
  /** Events kept beyond their partition because they are still owed. */
  readonly carried: number
  /** Of deleted subscriptions whose log is gone. */
  readonly tombstonesRemoved: number
}

const expireBatch = 5000
const tombstoneBatch = 200

/**
 * One round of retention: what is past its policy ends in the log, what is still wanted is carried over, and then
 * whole partitions go. Events first, the log last, so that no event is ever seen without the log of its hour.
 * Nothing goes silently. Any process may run it at any time.
 */
export async function runRetention(deps: RetentionDeps): Promise<RetentionReport> {
  const { database, clock, logger, retentionHours, detailsHours = retentionHours } = deps
  const now = clock.now()
  const partitionsMade = await ensurePartitions(database, now, retentionHours, detailsHours)
  const before = now - retentionHours * 3_600_000
  const expired = await expireOld(deps, before)
  const carried = await carryOver(database, uuidLowerBound(before))
  const partitionsDropped = [
    ...(await dropPartitions(database, 'events', before)),
    ...(await dropPartitions(database, 'attempt_details', now - detailsHours * 3_600_000)),
    // No log goes before the events it belongs to: where those could not be dropped yet, their hour of log stays too.
    ...(await dropPartitions(
      database,
      'delivery_logs',
      Math.min(before, await oldestMoment(database, 'events')),
    )),
  ]
  await dropSettledCarried(database)
  const tombstonesRemoved = await removeOldTombstones(database, before)
  const report = { partitionsMade, partitionsDropped, expired, carried, tombstonesRemoved }
  const didSomething = partitionsMade + partitionsDropped.length + expired + carried + tombstonesRemoved > 0
  logger[didSomething ? 'info' : 'debug'](report, 'retention')
  return report
}

async function expireOld(deps: RetentionDeps, before: number): Promise<number> {
  const { database, clock, retentionHours } = deps
  const bound = uuidLowerBound(before)
  const deadlines = (await readOldOwing(database, bound)).map(subscriptionId => {
    const subscription = deps.subscription(subscriptionId)
    const ageMs = subscription ? maxAgeMs(subscription, retentionHours * 3_600_000) : 0
    return { subscriptionId, beganBefore: clock.now() - ageMs }
  })
  let expired = 0
  for (;;) {
    const rows = await expireOwed(database, bound, deadlines, expireBatch)
    expired += rows
    if (rows < expireBatch) return expired
  }
}

/** A page at a time, as each tombstone costs a look into each partition of the log. */
async function removeOldTombstones(database: Database, before: number): Promise<number> {
  // What is younger than the oldest partition may be logged still.
  const oldest = Math.min(before, await oldestMoment(database, 'delivery_logs'))
  let removed = 0
  for (let after: number | null = 0; after !== null; ) {
    const page = await removeTombstones(database, oldest, after, tombstoneBatch)
    removed += page.removed
    after = page.last
  }
  return removed
}
