import { StartupError } from '../errors.ts'
import type { Logger } from './logger.ts'
import { Database } from './postgres.ts'

export interface OpenDatabaseOptions {
  /** The operator's PostgreSQL; undefined: the embedded one in `dataDir`. */
  readonly databaseUrl: string | undefined
  readonly dataDir: string
  readonly poolSize: number
  readonly queryTimeoutMs: number
  readonly logger: Logger
  /** Aborted: the start of the embedded PostgreSQL is given up. */
  readonly signal?: AbortSignal | undefined
}

export interface OpenDatabase {
  readonly database: Database
  /** Where the database is, for people; without a password. */
  readonly description: string
  /** Closes the connections, and then stops the embedded server unless another process uses it. */
  close(): Promise<void>
}

const oldestVersion = 15

/**
 * Connects to the operator's PostgreSQL, or starts (or adopts) the embedded one.
 *
 * @throws StartupError when it cannot be reached or started, or is older than 15
 * @throws StartCancelled when `signal` was aborted before it ran
 */
export async function openDatabase(options: OpenDatabaseOptions): Promise<OpenDatabase> {
  const { databaseUrl, dataDir, logger } = options
  const settings = {
    poolSize: options.poolSize,
    queryTimeoutMs: options.queryTimeoutMs,
    connectTimeoutMs: 5000,
  }
  if (databaseUrl !== undefined) {
    const database = new Database({ ...settings, connection: { connectionString: databaseUrl } })
    const description = withoutPassword(databaseUrl)
    await checkServer(database, description)
    return { database, description, close: () => database.close() }
  }
  // Loaded only here: in server mode its packages need not be installed.
  const { startEmbeddedPostgres } = await import('./embedded-postgres/embedded-postgres.ts')
  const server = await startEmbeddedPostgres({
    dataDir,
    signal: options.signal,
    log: (message, fields) => logger.info(fields ?? {}, message),
  })
  const database = new Database({ ...settings, connection: server.connection })
  return {
    database,
    description: `embedded PostgreSQL in ${server.dataDir}${server.adopted ? ' (was still running, adopted)' : ''}`,
    async close() {
      await database.close()
      await server.stop()
    },
  }
}

async function checkServer(database: Database, description: string): Promise<void> {
  let version: number
  try {
    const { rows } = await database.query<{ version: number }>({
      text: "select current_setting('server_version_num')::int / 10000 as version",
    })
    version = rows[0]?.version ?? 0
  } catch (error) {
    await database.close()
    throw new StartupError(
      `Cannot use the database ${description}: ${reasonOf(error)}. Check DATABASE_URL.`,
      { cause: error },
    )
  }
  if (version < oldestVersion) {
    await database.close()
    throw new StartupError(
      `The database ${description} is PostgreSQL ${version}; ${oldestVersion} or newer is needed.`,
    )
  }
}

function reasonOf(error: unknown): string {
  const inner = error instanceof Error && error.cause !== undefined ? error.cause : error
  if (inner instanceof AggregateError && inner.errors.length > 0) return reasonOf(inner.errors[0])
  return inner instanceof Error ? inner.message.replace(/\.$/, '') : String(inner)
}

function withoutPassword(databaseUrl: string): string {
  const url = new URL(databaseUrl)
  return `${url.host}${url.pathname}`
}
