import type { Config } from './config.ts'
import { Egress } from './deliver/egress.ts'
import { StartupError } from './errors.ts'
import { buildServer } from './http/server.ts'
import { ingestRoutes } from './ingest/routes.ts'
import { ApiKeys, ensureFirstKey } from './keys/keys.ts'
import { ensurePartitions } from './log/partitions.ts'
import { runRetention } from './log/retention.ts'
import { Path } from './path.ts'
import { type SteerableClock, systemClock } from './platform/clock.ts'
import { Deadline } from './platform/deadline.ts'
import { every, type Repeated } from './platform/every.ts'
import type { Logger } from './platform/logger.ts'
import { migrate } from './platform/migrate.ts'
import { type OpenDatabase, openDatabase } from './platform/open-database.ts'
import type { Connection, Database } from './platform/postgres.ts'
import { agreeOnKey, createSealer, loadEncryptionKeys } from './platform/seal.ts'
import { type PauseMessage, parsePause, pauseChannel } from './queue/lane-pause.ts'
import { Presence } from './queue/presence.ts'
import { repair } from './queue/repair.ts'
import { defaultRetryPolicy } from './retry/schedule.ts'
import { ReceiverStates } from './subscriptions/receiver-states.ts'
import { Subscriptions } from './subscriptions/subscriptions.ts'
import { version } from './version.ts'

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

/** What every part is made from. */
interface Ground {
  readonly config: Config
  readonly logger: Logger
  readonly clock: SteerableClock
  readonly random: () => number
  readonly database: Database
  readonly egress: Egress
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
    return await compose({ config, logger, clock, random, database: opened.database, egress }, opened)
  } catch (error) {
    await opened.close()
    throw error
  }
}

async function compose(ground: Ground, opened: OpenDatabase): Promise<Service> {
  const { config, logger, clock, database } = ground
  await migrate(database)
  await ensurePartitions(database, clock.now(), config.logRetentionHours, config.detailsRetentionHours)
  const subscriptions = await openSubscriptions(ground)
  const keys = config.auth === 'keys' ? new ApiKeys({ database, clock }) : undefined

  const control = connectControl(ground, subscriptions, pause => hearOfPause(path, pause))
  const receivers = new ReceiverStates({
    database,
    logger,
    refresh: id => subscriptions.refresh(id),
    disableAfterHours: config.disableAfterHours,
  })
  const path = new Path({ ...ground, subscriptions, receivers, owner: () => presence.owner })
  const presence = makePresence(ground, control, subscriptions, path)
  await presence.start()

  let stopping = false
  const server = await buildServer({
    subscriptions,
    database,
    keys,
    log: logger,
    bodyLimitBytes: config.bodyLimitBytes,
    version,
    readiness: () => readiness(database, stopping),
    registerIngest: app => {
      const subscription = (id: number) => subscriptions.get(id)
      const findSubscription = async (id: number) => {
        await subscriptions.refresh(id)
        return subscriptions.get(id)
      }
      ingestRoutes(app, { ingest: path.ingest, subscription, findSubscription, keys, logger })
    },
  })
  const { url, firstKey } = await listen(server, config)
    // Not before all else has gone well: a key that was made by a start that failed would never have been shown.
    .then(async url => ({ url, firstKey: keys ? await ensureFirstKey(database) : undefined }))
    .catch(async error => {
      await server.close()
      await presence.stop()
      throw error
    })
  path.start()
  const housekeeping = keepHouse(ground, subscriptions, path, control, receivers)

  return {
    url,
    databaseDescription: opened.description,
    firstKey,
    async close() {
      const deadline = new Deadline(config.shutdownTimeoutMs)
      stopping = true
      path.ingest.close()
      await deadline.earlier(5000).limit(server.close())
      await Promise.all(housekeeping.map(repeated => repeated.stop()))
      await path.stop(deadline.earlier(4000))
      await ground.egress.close()
      // Whatever is left in memory goes back to its lane with everything else this process holds.
      await deadline
        .earlier(500)
        .limit(presence.stop())
        .catch(error => {
          logger.warn({ err: error }, 'left without handing back; another process recovers what was held')
        })
      await deadline.limit(opened.close())
    },
  }
}

/** @throws StartupError when the port cannot be had */
async function listen(
  server: { listen(at: { host: string; port: number }): Promise<string> },
  at: Config,
): Promise<string> {
  const { host, port } = at
  try {
    const url = await server.listen({ host, port })
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

async function openSubscriptions(ground: Ground): Promise<Subscriptions> {
  const { config, database, clock, logger } = ground
  const sealer = createSealer(
    await loadEncryptionKeys({ fromConfig: config.encryptionKeys, dataDir: config.dataDir }),
  )
  await agreeOnKey(database, sealer)
  const { deliveryTimeoutMs: timeoutMs, connectTimeoutMs, subscriptionMaxInFlight: maxInFlight } = config
  const subscriptions = new Subscriptions({
    database,
    seal: sealer,
    defaults: { retry: defaultRetryPolicy, timeoutMs, connectTimeoutMs, maxInFlight },
    checkTarget: url => ground.egress.check(url),
    clock,
    log: logger,
  })
  await subscriptions.load()
  return subscriptions
}

/** The connection that says that this process lives, and hears of changes to subscriptions made by others. */
function connectControl(
  { database, logger }: Ground,
  subscriptions: Subscriptions,
  onPause: (message: PauseMessage) => void,
): Connection {
  return database.connection('control', {
    queryTimeoutMs: 5000,
    onNotification: (channel, id) => {
      if (channel === pauseChannel) {
        const message = parsePause(id)
        if (message) onPause(message)
        return
      }
      subscriptions.refresh(Number(id)).catch(error => {
        logger.warn({ err: error, subscription_id: Number(id) }, 'a changed subscription could not be read')
      })
    },
  })
}

/** Another process (or this one) has found out how a receiver is doing. */
function hearOfPause(path: Path, message: PauseMessage): void {
  const { subscriptionId } = message
  if (message.kind === 'resumed') path.gates.resume(subscriptionId)
  else path.gates.pause(subscriptionId, message.until, message.reason)
}

function makePresence(
  ground: Ground,
  control: Connection,
  subscriptions: Subscriptions,
  path: Path,
): Presence {
  const { database, clock, logger } = ground
  let listeningOn = -1
  return new Presence({
    database,
    connection: control,
    clock,
    logger,
    role: 'all',
    version,
    stats: () => ({
      ...path.dispatcher.load,
      lanes: path.lanes.held,
      waiting: path.writer.depth,
      settling: path.log.depth,
    }),
    lanesDue: dueAt => path.lanes.ring(dueAt),
    onNewOwner: () => path.lanes.forget(),
    async onBeat() {
      if (control.opened === listeningOn) return
      // A new connection listens to nothing, and what changed while there was none went unheard.
      await control.listen('subscriptions')
      await control.listen(pauseChannel)
      await subscriptions.load()
      listeningOn = control.opened
    },
  })
}

function keepHouse(
  ground: Ground,
  subscriptions: Subscriptions,
  path: Path,
  control: Connection,
  receivers: ReceiverStates,
): readonly Repeated[] {
  const { config, database, clock, logger } = ground
  const { logRetentionHours: retentionHours, detailsRetentionHours: detailsHours } = config
  const subscription = (id: number) => subscriptions.get(id)
  return [
    every(3_600_000, 'retention', logger, () =>
      runRetention({ database, clock, logger, retentionHours, detailsHours, subscription }),
    ),
    every(60_000, 'repair', logger, async () => {
      const report = await repair(database)
      if (report && report.orphans + report.lanes > 0) logger.warn(report, 'repaired lanes')
    }),
    every(60_000, 'review of failing receivers', logger, () => receivers.review()),
    every(5000, 'looking for unsure rows', logger, async () => {
      const freed = await path.unsure.release(control)
      if (freed > 0) logger.warn({ freed }, 'found rows whose commit had not been heard of')
    }),
  ]
}

async function readiness(database: Database, stopping: boolean) {
  const checks = { database: 'ok', service: stopping ? 'stopping' : 'ok' }
  try {
    await database.ping()
  } catch {
    checks.database = 'unavailable'
  }
  return { ready: checks.database === 'ok' && !stopping, checks }
}
