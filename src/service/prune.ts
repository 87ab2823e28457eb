import type { Config } from '../config/config.ts'
import { type PrunePlan, planPrune } from '../log/prune-plan.ts'
import { type RetentionReport, runRetention } from '../log/retention.ts'
import { besideThePath } from '../platform/batches.ts'
import type { Clock } from '../platform/clock.ts'
import { earlierNow } from '../platform/database-time.ts'
import type { Logger } from '../platform/logger.ts'
import type { Database } from '../platform/postgres.ts'
import { countFinishedReplays, removeFinishedReplays } from '../replay/finished.ts'
import { countOldStats, removeOldStats } from '../stats/retention.ts'
import { countOldChanges, removeOldChanges } from '../subscriptions/old-changes.ts'
import type { Subscriptions } from '../subscriptions/subscriptions.ts'
import { ownStatsDays } from '../tenants/retention.ts'
import { countExpired, removeExpiredReceivers } from '../test-receivers/expired.ts'
import { retentionSettings } from './retention.ts'

export interface PruneDeps {
  readonly database: Database
  readonly config: Config
  readonly clock: Clock
}

/** What is too old and goes row by row, beside the partitions. */
const olderThan = async ({ database, config, clock }: PruneDeps) => ({
  now: await earlierNow(database, clock),
  changesMs: config.logRetentionHours * 3_600_000,
  replaysMs: config.replayRetentionDays * 24 * 3_600_000,
  retentionDays: config.statsRetentionDays,
})

/** Counts what all kinds of retention would remove now, by kind and tenant, and changes nothing. */
export async function planAll(deps: PruneDeps): Promise<PrunePlan> {
  const { database, config, clock } = deps
  const { now, changesMs, replaysMs, retentionDays } = await olderThan(deps)
  const { kinds, partitions } = await planPrune({ database, clock, ...retentionSettings(config) })
  const own = await ownStatsDays(database)
  return {
    partitions,
    kinds: [
      ...kinds,
      { kind: 'states', tenants: await countOldChanges(database, now - changesMs) },
      { kind: 'figures', tenants: await countOldStats(database, { now, retentionDays, own }) },
      { kind: 'replays', tenants: await countFinishedReplays(database, now - replaysMs) },
      { kind: 'test receivers', tenants: await countExpired(database, now) },
    ],
  }
}

/** What was removed beside the partitions. */
export interface RowsPruned {
  readonly states: number
  readonly figures: number
  readonly replays: number
  readonly testReceivers: number
}

/**
 * Does at once what the service does from time to time to all that is kept no longer.
 *
 * @returns undefined when another process is at the retention of the log, and does it
 */
export async function pruneAll(
  deps: PruneDeps & { readonly logger: Logger; readonly subscriptions: Subscriptions },
): Promise<(RetentionReport & { readonly rows: RowsPruned }) | undefined> {
  const { database, config, clock, logger, subscriptions } = deps
  const done = await runRetention({ database, clock, logger, subscriptions, ...retentionSettings(config) })
  if (done === undefined) return undefined
  const { signal } = new AbortController()
  const { now, changesMs, replaysMs, retentionDays } = await olderThan(deps)
  const common = { database, clock, logger }
  const figures = await besideThePath(database, 'roll-ups', async session => {
    const own = await ownStatsDays(session)
    return removeOldStats(session, { now, retentionDays, own }, logger, signal)
  })
  return {
    ...done,
    rows: {
      states: await removeOldChanges({ ...common, retentionMs: changesMs }, signal),
      figures,
      replays: await removeFinishedReplays({ ...common, retentionMs: replaysMs }, signal),
      testReceivers: await removeExpiredReceivers(database, now, signal),
    },
  }
}
