import { audit } from '../monitor/audit.ts'
import { migrate } from '../platform/migrate.ts'
import { type CommandIo, exitCode } from './command.ts'
import { withDatabase } from './with-database.ts'

/** `webhooks audit`: exit code 0 when nothing is missing. */
export async function runAudit(_args: readonly string[], io: CommandIo): Promise<number> {
  const report = await withDatabase(io, async database => {
    await migrate(database)
    return audit(database)
  })
  io.out(
    [
      `events      ${report.events}`,
      `deliveries  ${report.deliveries}`,
      `  final     ${report.final}`,
      `  owed      ${report.owed}`,
      `  missing   ${report.missing}`,
      ...report.examples.map(
        ({ webhookId, subscriptionId }) => `    ${webhookId} → subscription ${subscriptionId}`,
      ),
    ].join('\n'),
  )
  return report.missing === 0 ? exitCode.ok : exitCode.failure
}
