import { migrate } from '../platform/migrate.ts'
import { type CommandIo, exitCode } from './command.ts'
import { withDatabase } from './with-database.ts'

/** `webhooks migrate`: brings the database to the newest schema. */
export async function runMigrate(_args: readonly string[], io: CommandIo): Promise<number> {
  const ran = await withDatabase(io, (database, _config, logger) => migrate(database, { logger }))
  io.out(ran.length === 0 ? 'The database is up to date.' : `Migrated: ${ran.join(', ')}`)
  return exitCode.ok
}
