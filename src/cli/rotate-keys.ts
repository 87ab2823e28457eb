import { commandLine } from '../model/caller.ts'
import { openSealer } from '../platform/seal.ts'
import { resealSources } from '../sources/reseal.ts'
import { resealAll } from '../subscriptions/reseal.ts'
import { dropOldTokens } from '../subscriptions/shared-tokens.ts'
import { resealReceivers } from '../test-receivers/reseal.ts'
import { type CommandIo, exitCode } from './command.ts'
import { prepareForChanges, withDatabase } from './with-database.ts'

/** `webhooks rotate-keys`: exit code 0 when only the newest key is needed from now on. */
export async function runRotateKeys(_args: readonly string[], io: CommandIo): Promise<number> {
  const { report, newest } = await withDatabase(io, async (database, config) => {
    await prepareForChanges(database, config)
    const seal = await openSealer(database, config)
    return {
      report: await resealAll(database, seal, commandLine, [resealReceivers, resealSources, dropOldTokens]),
      newest: seal.keyIds[0],
    }
  })
  io.out(`Sealed the secrets of ${report.resealed} subscriptions anew, with the key ${newest}.`)
  for (const { id, reason } of report.failed) io.err(`Subscription ${id} stays as it was: ${reason}.`)
  if (report.failed.length > 0) {
    io.err('Keep the older keys. Repair or delete these subscriptions, then run this again.')
    return exitCode.failure
  }
  io.out('Older keys are not needed any more: leave them out of ENCRYPTION_KEYS (or the key file).')
  return exitCode.ok
}
