import { subscriptionLanes as lanes } from '../lanes/subscription-lanes.ts'
import { runRetention } from '../log/retention.ts'
import { defaultRetryPolicy } from '../model/retry-policy.ts'
import { systemClock } from '../platform/clock.ts'
import { migrate } from '../platform/migrate.ts'
import { openSealer } from '../platform/seal.ts'
import { Subscriptions } from '../subscriptions/subscriptions.ts'
import { type CommandIo, exitCode } from './command.ts'
import { withDatabase } from './with-database.ts'

/** `webhooks prune`: one run of the retention that the service runs every hour. */
export async function runPrune(_args: readonly string[], io: CommandIo): Promise<number> {
  const report = await withDatabase(io, async (database, config, logger) => {
    await migrate(database)
    const clock = systemClock()
    const seal = await openSealer(database, config)
    const { deliveryTimeoutMs: timeoutMs, connectTimeoutMs, subscriptionMaxInFlight: maxInFlight } = config
    const defaults = { retry: defaultRetryPolicy, timeoutMs, connectTimeoutMs, maxInFlight }
    const checkTarget = async () => undefined // no subscription is made or changed here
    const subscriptions = new Subscriptions({
      ...{ database, seal, defaults, checkTarget, lanes, clock },
      log: logger,
    })
    await subscriptions.load()
    return runRetention({
      database,
      clock,
      logger,
      retentionHours: config.logRetentionHours,
      detailsHours: config.detailsRetentionHours,
      subscriptions,
    })
  })
  if (report === undefined) {
    io.out('Another process is at it: retention runs in one process at a time. Nothing was done here.')
    return exitCode.ok
  }
  io.out(
    `Dropped ${report.partitionsDropped.length} partitions` +
      (report.partitionsDropped.length > 0 ? ` (${report.partitionsDropped.join(', ')})` : '') +
      `, made ${report.partitionsMade}; ${report.expired} deliveries expired, ${report.cancelled} cancelled, ` +
      `${report.carried} events carried over.`,
  )
  if (report.unread > 0) {
    io.out(`${report.unread} subscriptions cannot be read; what they are owed was kept beyond its time.`)
  }
  return exitCode.ok
}
