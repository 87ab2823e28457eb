import type { Config } from '../config/config.ts'
import { Egress } from '../egress/egress.ts'
import { StartupError } from '../errors.ts'
import { ingestRoutes } from '../ingest/routes.ts'
import { ApiKeys, ensureFirstKey } from '../keys/keys.ts'
import { ensurePartitions } from '../log/partitions.ts'
import { type SteerableClock, systemClock } from '../platform/clock.ts'
import { Deadline } from '../platform/deadline.ts'
import type { Logger } from '../platform/logger.ts'
import { migrate } from '../platform/migrate.ts'
import { type OpenDatabase, openDatabase } from '../platform/open-database.ts'
import type { Database } from '../platform/postgres.ts'
import { buildServer } from '../server/server.ts'
import type { Subscriptions } from '../subscriptions/subscriptions.ts'
import { version } from '../version.ts'
import { compose, type Ground } from './compose.ts'
import { keepHouse } from './housekeeping.ts'
import type { Inbound } from './inbound.ts'

export interface ServiceOptions {
  readonly config: Config
  readonly logger: Logger
  /** Replaced in tests, which hand out the time. */
  readonly clock?: SteerableClock
  /** For jitter; replaced in tests. */
  readonly random?: () => number
}

/** A running service. */
export interface Service {
  /** Where it listens. */
  readonly url: string
  /** Where its database is, for people. */
  readonly databaseDescription: string
  /** The API key that was made because there was none; it can never be shown again. */
  readonly firstKey: string | undefined
  /** Stops taking events, finishes or hands back what runs, and leaves, within `shutdownTimeoutMs`. */
  close(): Promise<void>
}

/**
 * Starts the service: the one place where its parts are made and joined.
 *
 * @throws StartupError when the settings or the surroundings do not allow it
 */
export async function startService(options: ServiceOptions): Promise<Service> {
  const { config, logger, clock = systemClock(), random = Math.random } = options
  const opened = await openDatabase({
    databaseUrl: config.databaseUrl,
    dataDir: config.dataDir,
    poolSize: config.databasePoolSize,
    queryTimeoutMs: config.databaseTimeoutMs,
    logger,
  })
  try {
    const egress = new Egress({ ...config, logger })
    return await start({ config, logger, clock, random, database: opened.database, egress }, opened)
  } catch (error) {
    await opened.close()
    throw error
  }
}

async function start(ground: Ground, opened: OpenDatabase): Promise<Service> {
  const { config, logger, clock, database } = ground
  await migrate(database)
  await ensurePartitions(database, clock.now(), config.logRetentionHours, config.detailsRetentionHours)
  const keys = config.auth === 'keys' ? new ApiKeys({ database, clock }) : undefined
  const parts = await compose(ground)
  const { subscriptions, membership, messengers, inbound, outbound } = parts
  await membership.start()

  let stopping = false
  const server = await buildServer({
    subscriptions,
    database,
    keys,
    log: logger,
    bodyLimitBytes: config.bodyLimitBytes,
    version,
    drainMs: config.shutdownDrainMs,
    readiness: () => readiness(database, messengers.bell.state, stopping),
    registerIngest: inbound && (app => registerIngest(app, ground, inbound, subscriptions, keys)),
  })
  const { url, firstKey } = await listen(server, config)
    // Not before all else has gone well: a key that was made by a start that failed would never have been shown.
    .then(async url => ({ url, firstKey: keys ? await ensureFirstKey(database) : undefined }))
    .catch(async error => {
      await server.close()
      await membership.stop()
      throw error
    })
  outbound?.start()
  messengers.start()
  const housekeeping = keepHouse({ ...ground, ...parts })

  return {
    url,
    databaseDescription: opened.description,
    firstKey,
    async close() {
      const deadline = new Deadline(config.shutdownDrainMs + config.shutdownTimeoutMs)
      stopping = true
      await deadline.earlier(5000).limit(server.close())
      inbound?.ingest.close()
      // What is done from time to time may take long; it can be cut short anywhere.
      await deadline.earlier(5000).limit(Promise.all(housekeeping.map(repeated => repeated.stop())))
      await inbound?.stop()
      await deadline.earlier(4000).limit(messengers.leave())
      await outbound?.stop(deadline.earlier(4000))
      await ground.egress.close()
      // Whatever is left in memory goes back to its lane with everything else this process holds.
      const leaving = deadline.earlier(500)
      await leaving.limit(membership.stop(AbortSignal.timeout(Math.floor(leaving.leftMs)))).catch(error => {
        logger.warn({ err: error }, 'left without handing back; another process recovers what was held')
      })
      await messengers.close()
      await deadline.limit(opened.close())
    },
  }
}

function registerIngest(
  app: Parameters<typeof ingestRoutes>[0],
  { logger }: Ground,
  { ingest }: Inbound,
  subscriptions: Subscriptions,
  keys: ApiKeys | undefined,
): void {
  const subscription = (id: number) => subscriptions.get(id)
  const findSubscription = async (id: number) => {
    await subscriptions.refresh(id)
    return subscriptions.get(id)
  }
  ingestRoutes(app, { ingest, subscription, findSubscription, keys, logger })
}

/**
 * How many new connections may wait to be taken: as many as the kernel allows (`net.core.somaxconn`). What does not fit
 * is dropped, and its client asks again after 1, 3 and 7 s; with Node's 511 a burst of 6,000 left half of them so.
 */
const backlog = 65_535

/** @throws StartupError when the port cannot be had */
async function listen(
  server: { listen(at: { host: string; port: number; backlog: number }): Promise<string> },
  at: Config,
): Promise<string> {
  const { host, port } = at
  try {
    const url = await server.listen({ host, port, backlog })
    return url.replace('127.0.0.1', 'localhost')
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new StartupError(`Cannot listen on ${host}:${port} (${reason}). ${listenAdvice(error)}`, {
      cause: error,
    })
  }
}

function listenAdvice(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'EADDRINUSE') return 'Stop what uses the port, or set PORT to another one.'
  if (code === 'EACCES') return 'Set PORT to one that this user may listen on, such as 8000.'
  return 'Set HOST to an address of this machine.'
}

/** Redis is told of, but without it the service is as ready as with it. */
async function readiness(database: Database, redis: string | undefined, stopping: boolean) {
  const checks = { database: 'ok', service: stopping ? 'stopping' : 'ok', ...(redis && { redis }) }
  try {
    await database.ping()
  } catch {
    checks.database = 'unavailable'
  }
  return { ready: checks.database === 'ok' && !stopping, checks }
}
