import { type Config, readConfig } from '../config/config.ts'
import { createLogger, type Logger } from '../platform/logger.ts'
import { openDatabase } from '../platform/open-database.ts'
import type { Database } from '../platform/postgres.ts'
import type { CommandIo } from './command.ts'

/**
 * Runs a command's work on the database of the settings: the operator's, or the embedded one. The embedded one is shared
 * with a running service, or else started for the time of the command.
 */
export async function withDatabase<T>(
  io: CommandIo,
  work: (database: Database, config: Config, logger: Logger) => Promise<T>,
): Promise<T> {
  const config = readConfig(io.environment)
  const logger = createLogger({ level: 'warn', format: config.logFormat })
  const opened = await openDatabase({
    databaseUrl: config.databaseUrl,
    dataDir: config.dataDir,
    poolSize: 2,
    queryTimeoutMs: 600_000, // an audit reads all of the database
    logger,
  })
  try {
    return await work(opened.database, config, logger)
  } catch (error) {
    throw opened.explain(error)
  } finally {
    await opened.close()
  }
}
