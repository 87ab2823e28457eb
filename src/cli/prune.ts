import { recordChange } from '../audit/audit.ts'
import { runRetention } from '../log/retention.ts'
import { commandLine } from '../model/caller.ts'
import { systemClock } from '../platform/clock.ts'
import { openSubscriptions } from '../service/open-subscriptions.ts'
import { type CommandIo, exitCode } from './command.ts'
import { prepareForChanges, withDatabase } from './with-database.ts'

/** `webhooks prune`: one run of the retention that the service runs every hour. */
export async function runPrune(_args: readonly string[], io: CommandIo): Promise<number> {
  const report = await withDatabase(io, async (database, config, logger) => {
    await prepareForChanges(database, config)
    const clock = systemClock()
    const checkTarget = async () => undefined // no subscription is made or changed here
    const subscriptions = await openSubscriptions({ config, database, clock, logger, checkTarget })
    await subscriptions.load()
    const done = await runRetention({
      database,
      clock,
      logger,
      retentionHours: config.logRetentionHours,
      detailsHours: config.detailsRetentionHours,
      auditDays: config.auditRetentionDays,
      subscriptions,
    })
    // After it, since it is many transactions: each of them is what the service does by itself every hour.
    if (done !== undefined) {
      await recordChange(database, commandLine, {
        action: 'retention.run',
        subjectId: null,
        tenant: null,
        changes: [
          { field: 'partitions_dropped', before: null, after: done.partitionsDropped.length },
          { field: 'deliveries_expired', before: null, after: done.expired },
          { field: 'deliveries_cancelled', before: null, after: done.cancelled },
        ],
      })
    }
    return done
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
