import { type Config, environmentOfProcess, readConfig } from '../config/config.ts'
import { StartCancelled, StartupError } from '../errors.ts'
import { ensureAuditPartitions } from '../log/partitions.ts'
import { databaseTime } from '../platform/database-time.ts'
import { createLogger, type Logger } from '../platform/logger.ts'
import { migrate } from '../platform/migrate.ts'
import { openDatabase } from '../platform/open-database.ts'
import type { Database } from '../platform/postgres.ts'
import type { CommandIo } from './command.ts'
import { waitForStop } from './signal.ts'

/** Brings the database to the newest schema, and sees that what a command changes can be recorded in the audit log. */
export async function prepareForChanges(database: Database, config: Config): Promise<void> {
  await migrate(database)
  await ensureAuditPartitions(database, await databaseTime(database), config.auditRetentionDays)
}

/**
 * Runs a command's work on the database of the settings: the operator's, or the embedded one. The embedded one is shared
 * with a running service, or else started for the time of the command.
 *
 * @throws StartupError when a signal ends it; an embedded PostgreSQL that was started for it is stopped by then
 */
export async function withDatabase<T>(
  io: CommandIo,
  work: (database: Database, config: Config, logger: Logger) => Promise<T>,
): Promise<T> {
  const config = readConfig(io.environment)
  const logger = createLogger({
    level: 'warn',
    format: config.logFormat,
    // Standard output is for what the command was asked for: a key, a backup.
    output: { write: line => io.err(line.trimEnd()) },
  })
  const stop = waitForStop({ environment: io.environment ?? environmentOfProcess() })
  const interrupted = stop.reason.then((reason): never => {
    throw new StartupError(`Ended before its time (${reason}).`)
  })
  interrupted.catch(() => {}) // also when nobody waits for it any more
  try {
    const opened = await openDatabase({
      databaseUrl: config.databaseUrl,
      dataDir: config.dataDir,
      poolSize: 2,
      queryTimeoutMs: 600_000, // an audit reads all of the database
      logger,
      signal: stop.signal,
    })
    try {
      return await Promise.race([work(opened.database, config, logger), interrupted])
    } catch (error) {
      throw opened.explain(error)
    } finally {
      await opened.close()
    }
  } catch (error) {
    if (error instanceof StartCancelled) return await interrupted
    throw error
  } finally {
    stop.forget()
  }
}
