import { StartupError } from '../errors.ts'
import { asStartupError } from './database-trouble.ts'
import { readDatabaseUrl } from './database-url.ts'
import type { Logger } from './logger.ts'
import { sharesSessions } from './pooler.ts'
import { Database, type Queryable } from './postgres.ts'

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
  /** Turns an error of the database into a `StartupError` that says what to do; others stay as they are. */
  explain(error: unknown): unknown
  /** Closes the connections, and then stops the embedded server unless another process uses it. */
  close(): Promise<void>
}

const oldestVersion = 15

/**
 * Connects to the operator's PostgreSQL, or starts (or adopts) the embedded one.
 *
 * @throws StartupError when it cannot be reached or started, or is not fit for this service
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
    const { connection, description, unknown } = readDatabaseUrl(databaseUrl)
    if (unknown.length > 0) logger.warn({ parameters: unknown }, 'DATABASE_URL has parameters without effect')
    const database = new Database({ ...settings, connection })
    const explain = (error: unknown) => asStartupError(error, description)
    try {
      await checkServer(database, description, logger)
    } catch (error) {
      await database.close()
      throw explain(error)
    }
    return { database, description, explain, close: () => database.close() }
  }
  // Loaded only here: in server mode its packages need not be installed.
  const { startEmbeddedPostgres } = await import('./embedded-postgres/embedded-postgres.ts')
  const server = await startEmbeddedPostgres({
    dataDir,
    signal: options.signal,
    log: (message, fields) => logger.info(fields ?? {}, message),
  })
  const database = new Database({ ...settings, connection: server.connection })
  const description = `embedded PostgreSQL in ${server.dataDir}${server.adopted ? ' (was still running, adopted)' : ''}`
  return {
    database,
    description,
    explain: error => asStartupError(error, description),
    async close() {
      await database.close()
      await server.stop()
    },
  }
}

async function checkServer(database: Database, description: string, logger: Logger): Promise<void> {
  const facts = await readFacts(database)
  const unfit = unfitness(facts) ?? ((await sharesSessions(database)) ? sharedSessions : undefined)
  if (unfit !== undefined) throw new StartupError(`The database ${description} ${unfit}`)
  if (!facts.is_durable) {
    logger.warn(
      'fsync or full_page_writes of the database is off: events that were answered with 202 do not survive a crash of its machine',
    )
  }
}

interface Facts {
  readonly version: number
  readonly encoding: string
  readonly is_standby: boolean
  readonly is_read_only: boolean
  readonly role: string
  /** Where tables are made; null: nowhere. */
  readonly schema: string | null
  readonly may_create: boolean
  readonly is_durable: boolean
}

async function readFacts(db: Queryable): Promise<Facts> {
  const { rows } = await db.query<Facts>({
    text: `
      select current_setting('server_version_num')::int / 10000 as version,
             current_setting('server_encoding') as encoding,
             pg_is_in_recovery() as is_standby,
             current_setting('transaction_read_only') = 'on' as is_read_only,
             current_user as role,
             current_schema() as schema,
             coalesce(has_schema_privilege(current_schema(), 'create'), false) as may_create,
             'off' <> all(array[current_setting('fsync'), current_setting('full_page_writes')]) as is_durable`,
  })
  const [facts] = rows
  if (!facts) throw new Error('a query without FROM returned no row')
  return facts
}

/** @returns why this service cannot work on it, and what to do, as words after "The database …"; undefined: it can */
function unfitness(facts: Facts): string | undefined {
  const { version, encoding, role, schema } = facts
  if (version < oldestVersion) return `is PostgreSQL ${version}; ${oldestVersion} or newer is needed.`
  if (facts.is_standby) return 'is a standby, which takes no writes: let DATABASE_URL lead to the primary.'
  if (facts.is_read_only) {
    return 'takes no writes: unset default_transaction_read_only of the server, the database and the role.'
  }
  if (encoding !== 'UTF8') {
    return `has the encoding ${encoding}: make one with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0.`
  }
  if (schema === null) {
    return `has no schema for the tables of the role ${role}: make one with CREATE SCHEMA AUTHORIZATION "${role}", or name one in its search_path.`
  }
  if (!facts.may_create) {
    return `does not let the role ${role} make tables in the schema ${schema}: make the role a schema of its own with CREATE SCHEMA AUTHORIZATION "${role}", or GRANT CREATE, USAGE ON SCHEMA "${schema}" TO "${role}".`
  }
  return undefined
}

const sharedSessions =
  'is behind a pooler that shares sessions (pool_mode = transaction or statement), with which this service loses notices and locks: connect directly, or give its database pool_mode = session.'
