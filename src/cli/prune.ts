import { runRetention } from '../log/retention.ts'
import { systemClock } from '../platform/clock.ts'
import { migrate } from '../platform/migrate.ts'
import { openSubscriptions } from '../service/open-subscriptions.ts'
import { type CommandIo, exitCode } from './command.ts'
import { withDatabase } from './with-database.ts'

/** `webhooks prune`: one run of the retention that the service runs every hour. */
export async function runPrune(_args: readonly string[], io: CommandIo): Promise<number> {
  const report = await withDatabase(io, async (database, config, logger) => {
    await migrate(database)
    const clock = systemClock()
    const checkTarget = async () => undefined // no subscription is made or changed here
    const subscriptions = await openSubscriptions({ config, database, clock, logger, checkTarget })
    await subscriptions.load()
    return runRetention({
      database,
      clock,
      logger,
      retentionHours: config.logRetentionHours,
      detailsHours: config.detailsRetentionHours,
      auditDays: config.auditRetentionDays,
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
