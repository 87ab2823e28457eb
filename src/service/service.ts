import type { AddressInfo } from 'node:net'
import { type Config, shownSettings } from '../config/config.ts'
import { httpHint } from '../destinations/http/http-destination.ts'
import { Egress } from '../egress/egress.ts'
import { type ErrorCode, StartCancelled } from '../errors.ts'
import { ingestRoutes } from '../ingest/routes.ts'
import { ensureFirstKey, firstKeyFile, lacksAdminKey, writeFirstKey } from '../keys/first-key.ts'
import { Metrics, type PortFigures } from '../metrics/metrics.ts'
import { eventLines } from '../model/event-lines.ts'
import type { SettingReport } from '../monitor/storage.ts'
import { type SteerableClock, systemClock } from '../platform/clock.ts'
import { DatabaseHealth } from '../platform/database-health.ts'
import { databaseTime } from '../platform/database-time.ts'
import { asStartupError } from '../platform/database-trouble.ts'
import { Deadline } from '../platform/deadline.ts'
import type { Repeated } from '../platform/every.ts'
import { hasNoRoom } from '../platform/files.ts'
import type { Logger } from '../platform/logger.ts'
import { migrate } from '../platform/migrate.ts'
import { type OpenDatabase, openDatabase } from '../platform/open-database.ts'
import { Troubles } from '../platform/troubles.ts'
import { batchRoutes } from '../publish/batch-routes.ts'
import { publishRoutes } from '../publish/routes.ts'
import type { PortalLogo } from '../server/dashboard.ts'
import { HostCheck } from '../server/host-check.ts'
import { buildServer, type Edge, type ServerDeps } from '../server/server.ts'
import { inboundJudge, namesCertificate } from '../sources/inbound.ts'
import { sourceReceivingRoutes } from '../sources/receive-routes.ts'
import { Stats } from '../stats/stats.ts'
import { openTracing } from '../tracing/tracing.ts'
import { version } from '../version.ts'
import { closeAll } from './closing.ts'
import { compose, type Ground, type Paces, type Parts } from './compose.ts'
import { collectFigures } from './figures.ts'
import { keepHouse } from './housekeeping.ts'
import type { Inbound } from './inbound.ts'
import { listen } from './listen.ts'
import { makePartitions } from './partitions.ts'
import { readLogo } from './portal-logo.ts'
import { retentionReport } from './retention.ts'

export interface ServiceOptions {
  readonly config: Config
  readonly logger: Logger
  /** Replaced in tests, which hand out the time. */
  readonly clock?: SteerableClock
  /** For jitter; replaced in tests. */
  readonly random?: () => number
  /** Replaced in tests, which wait for what is done from time to time. */
  readonly paces?: Paces
  /** Aborted: the start is given up. After the start it has no effect. */
  readonly signal?: AbortSignal
  /** The figures of the other processes behind the same port; left out: there is no other. */
  readonly port?: PortFigures
}

/** A running service. */
export interface Service {
  /** Where it listens. */
  readonly url: string
  /** Where its database is, for people. */
  readonly databaseDescription: string
  /** The API key that was made because there was none; it can never be read again. */
  readonly firstKey: string | undefined
  /** The file that it was written to; undefined: it was given (FIRST_KEY), or none was made. */
  readonly firstKeyFile: string | undefined
  /** Stops taking events, finishes or hands back what runs, and leaves, within `shutdownTimeoutMs`. */
  close(): Promise<void>
}

/**
 * Starts the service: the one place where its parts are made and joined.
 *
 * @throws StartupError when the settings or the surroundings do not allow it
 * @throws StartCancelled when `signal` was aborted before the end of the start; all that was opened is closed by then
 */
export async function startService(options: ServiceOptions): Promise<Service> {
  const { config, logger, clock = systemClock(), random = Math.random, paces, signal } = options
  const troubles = new Troubles({ logger, now: () => clock.now() })
  const tracing = await openTracing({ ...config, version, troubles, logger })
  const opened = await openDatabase({
    databaseUrl: config.databaseUrl,
    dataDir: config.dataDir,
    poolSize: config.databasePoolSize,
    queryTimeoutMs: config.databaseTimeoutMs,
    logger,
    signal,
  })
  const egress = new Egress({ ...config, logger })
  const isDiskFull = config.databaseUrl === undefined ? () => hasNoRoom(config.dataDir) : undefined
  const health = new DatabaseHealth({ logger, troubles, isDiskFull })
  const { database } = opened
  const metrics = new Metrics({ database, port: options.port })
  database.onStatement((connection, ms) => metrics.path.queried(connection, ms))
  const ground = {
    config,
    logger,
    clock,
    random,
    paces,
    database,
    health,
    troubles,
    metrics,
    tracing,
    egress,
  }
  const running: Running = { ground, opened, housekeeping: [], isStopping: false }
  try {
    return await start(running, signal)
  } catch (error) {
    await stop(running)
    throw opened.explain(error)
  }
}

/** What a stop has to close; a start that failed half-way has not all of it. */
interface Running {
  readonly ground: Ground
  readonly opened: OpenDatabase
  parts?: Parts
  server?: Awaited<ReturnType<typeof buildServer>>
  housekeeping: readonly Repeated[]
  isStopping: boolean
}

async function start(running: Running, signal: AbortSignal | undefined): Promise<Service> {
  const { ground, opened } = running
  const { config, logger, database } = ground
  const logo = await readLogo(config.portalLogo)
  await unlessCancelled(migrate(database, { logger }), signal)
  // Before the first partitions are made: the clock of this machine may be days off.
  ground.clock.steer(await databaseTime(database))
  await makePartitions(ground)
  throwIfCancelled(signal)
  const parts = await compose(ground)
  running.parts = parts
  const { membership, notices, outbound } = parts
  await database.open().catch(error => {
    throw asStartupError(error, `${opened.description} with the ${database.size} connections of this process`)
  })
  // Reads all subscriptions, once it listens to changes of them. Before others know of this process: of a million that takes
  // longer than they wait for a sign of life.
  await notices.keepListening()
  throwIfCancelled(signal)
  await membership.start()
  throwIfCancelled(signal)
  running.server = await buildServer(serverDeps(running, parts, dashboardDeps(config, logo)))
  ground.metrics.start(
    () => membership.id,
    set => collectFigures(ground, parts, set),
    logger,
  )
  const url = await listen(running.server, config)
  parts.listening.at = running.server.server.address() as AddressInfo // it listens on TCP
  // Not before all else has gone well: a key that was made by a start that failed would be told to nobody.
  const first = parts.access.keys ? await makeFirstKey(ground) : undefined
  outbound?.start()
  parts.leasedRows?.start()
  parts.receiver?.start()
  running.housekeeping = keepHouse({ ...ground, ...parts })
  const close = async () => void (await stop(running))
  return {
    url,
    databaseDescription: opened.description,
    firstKey: first?.key,
    firstKeyFile: first?.file,
    close,
  }
}

/** What the HTTP server of this process answers with. */
function serverDeps(running: Running, parts: Parts, dashboard: ServerDeps['dashboard']): ServerDeps {
  const { ground } = running
  const { config, logger, clock, database } = ground
  const { rateLimitPerKey: requestsPerSecond } = config
  const { subscriptions, eventTypes, replays, sources, testReceivers, testSends, membership, access } = parts
  const { ownershipChecks } = parts
  const { bell, link, inbound, live } = parts
  const { tenants, keys, sessions, managedKeys, portalTokens } = access
  return {
    subscriptions,
    eventTypes,
    tenants,
    access: { keys: managedKeys, portalTokens },
    replays,
    live,
    stats: new Stats({ database, clock }),
    expunges: parts.expunges,
    sources,
    testReceivers,
    testSends,
    ownershipChecks,
    inboundRefusals: parts.inboundRefusals,
    receiving: {
      ...{ receivers: testReceivers, database, clock, seal: parts.seal, unwritten: membership.unwritten },
      subscriptionsTo: url => subscriptions.leadingTo(url),
      isDeleted: tenant => tenants.isDeleted(tenant),
    },
    database,
    hint: httpHint,
    keys,
    sessions,
    keyLimit: requestsPerSecond === undefined ? undefined : { requestsPerSecond, link },
    hostCheck: keys ? undefined : new HostCheck({ boundTo: config.host, allowed: config.allowedHosts ?? [] }),
    log: logger,
    bodyLimitBytes: config.bodyLimitBytes,
    arrivingBytesMax: config.memoryLimitMb * 1_048_576,
    connectionsMax: config.maxConnections,
    version,
    basePath: config.basePath,
    dashboard,
    drainMs: config.shutdownDrainMs,
    metrics: ground.metrics,
    onRefusedEvent: code => ground.metrics.path.rejected(code),
    storage: { settings: settingReports(config), retention: retentionReport(config) },
    system: { troubles: ground.troubles, id: () => membership.id, now: () => clock.now() },
    readiness: () => readiness(ground.health, ground.troubles, bell.state, running.isStopping),
    registerIngest: inbound && ((app, edge) => registerIngest(app, edge, ground, inbound, parts)),
  }
}

function dashboardDeps(config: Config, logo: PortalLogo | undefined): ServerDeps['dashboard'] {
  if (!config.uiEnabled) return undefined
  return {
    ...{ auth: config.auth, frameAncestors: config.portalFrameAncestors ?? [] },
    portal: { name: config.portalName, accent: config.portalAccent || undefined, logo },
  }
}

function settingReports(config: Config): readonly SettingReport[] {
  return shownSettings(config).map(({ isDefault, ...shown }) => ({ ...shown, is_default: isDefault }))
}

interface FirstKey {
  readonly key: string
  readonly file: string | undefined
}

const noAdminSentence =
  'No valid key with scope admin is left, so nobody can manage this service. Make one: webhooks keys create --name admin --scope admin'

/** Where there is none, and no place to keep one, the service runs without: a command makes one at any time. */
async function makeFirstKey({ config, database, logger }: Ground): Promise<FirstKey | undefined> {
  const { firstKey: given, dataDir } = config
  let failure: unknown
  const keep = async (key: string) => {
    if (given !== undefined) return
    await writeFirstKey(dataDir, key).catch(error => {
      failure = error
      throw error
    })
  }
  try {
    const key = await ensureFirstKey(database, { given, keep })
    if (key === undefined) {
      if (await lacksAdminKey(database)) logger.warn(noAdminSentence)
      return undefined
    }
    return { key, file: given === undefined ? firstKeyFile(dataDir) : undefined }
  } catch (error) {
    if (failure === undefined) throw error
    logger.error(
      { err: failure },
      'There is no API key yet, and DATA_DIR cannot be written, where the first one would be kept. Set FIRST_KEY, make DATA_DIR writable, or run: webhooks keys create --name admin --scope admin',
    )
    return undefined
  }
}

/** A migration can take hours. The one that is cut off leaves no trace, or is run again by the next start. */
function unlessCancelled<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work
  return new Promise((resolve, reject) => {
    const cancel = () => reject(new StartCancelled())
    signal.addEventListener('abort', cancel, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', cancel))
    if (signal.aborted) cancel()
  })
}

function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new StartCancelled()
}

/**
 * Stops in the order in which an event meets the parts: nothing new comes in, what came in is written, what is under way
 * ends, and what is left in memory goes back to its lane with all that this process holds.
 */
async function stop(running: Running): Promise<void> {
  const { ground, parts, opened, server, housekeeping } = running
  const { config, logger, egress } = ground
  running.isStopping = true
  const whole = new Deadline(config.shutdownDrainMs + config.shutdownTimeoutMs)
  const [early, middle, late] = [whole.earlier(5000), whole.earlier(4000), whole.earlier(500)]
  // An answer that was heard and not written makes a repeat. But leaving takes its time, too.
  const written = new Deadline(Math.max(1500, late.leftMs - 1500))
  // Where the HTTP server or something else takes all of its time, attempts would begin that have none left to end in.
  const noMore = setTimeout(() => parts?.outbound?.beginNoMore(), early.leftMs)
  await closeAll(
    [
      // Their readers come back, to another process or after the next start.
      { what: 'event streams', deadline: early, close: () => parts?.live.close() },
      { what: 'HTTP server', deadline: early, close: () => server?.close() },
      { what: 'horizon', deadline: early, close: () => parts?.horizon.close() },
      { what: 'ingest', deadline: early, close: () => parts?.inbound?.ingest.close() },
      // What is done from time to time may take long; it can be cut short anywhere.
      {
        what: 'housekeeping',
        deadline: early,
        close: () => Promise.all(housekeeping.map(one => one.stop())),
      },
      { what: 'uses of keys', deadline: early, close: () => parts?.access.keys?.writeUses() },
      { what: 'what came to sources', deadline: middle, close: () => parts?.sourceRecords.flush() },
      { what: 'what subscriptions refused', deadline: middle, close: () => parts?.inboundRefusals.flush() },
      { what: 'writer of events', deadline: middle, close: () => parts?.inbound?.stop() },
      { what: 'what others hand over', deadline: middle, close: () => parts?.receiver?.stop() },
      {
        what: 'deliveries',
        deadline: late,
        close: () => parts?.outbound?.stop({ attempts: middle, log: written }),
      },
      { what: 'tests', deadline: late, close: () => parts?.testSends.close() },
      { what: 'ownership checks', deadline: late, close: () => parts?.ownershipChecks.close() },
      { what: 'handover', deadline: whole.earlier(2000), close: () => parts?.handover.stop() },
      { what: 'connections to receivers', deadline: late, close: () => egress.close() },
      {
        what: 'membership',
        deadline: late,
        close: () => parts?.membership.stop(AbortSignal.timeout(Math.floor(late.leftMs))),
      },
      { what: 'shares of concurrency', deadline: late, close: () => parts?.concurrencyShare?.close() },
      { what: 'Redis', deadline: late, close: () => parts?.link?.close() },
      { what: 'database', deadline: whole, close: () => opened.close() },
      { what: 'spans', deadline: whole, close: () => ground.tracing?.close() },
      { what: 'figures', deadline: whole, close: () => ground.metrics.close() },
      { what: 'troubles', deadline: whole, close: () => ground.troubles.close() },
    ],
    logger,
  )
  clearTimeout(noMore)
}

function registerIngest(
  app: Parameters<typeof ingestRoutes>[0],
  edge: Edge,
  { logger, config, clock, metrics }: Ground,
  { ingest, publisher, once }: Inbound,
  parts: Parts,
): void {
  const { subscriptions, eventTypes, sources, sourceRecords, inboundRefusals, certificates, visit } = parts
  const { tenants } = parts.access
  // Those of a deleted tenant may still be there, and are not for senders any more.
  const subscription = (id: number) => {
    const found = subscriptions.get(id)
    return found !== undefined && tenants.isDeleted(found.tenant) ? undefined : found
  }
  const findSubscription = async (id: number) => {
    await subscriptions.refresh(id)
    return subscription(id)
  }
  const hasLine = eventLines(config.logEvents)
  const uids = {
    subscriptionWithUid: (tenant: string, uid: string) => subscriptions.withUid(tenant, uid),
    findIdOfUid: (tenant: string, uid: string) => subscriptions.idOfUid(tenant, uid),
  }
  ingestRoutes(app, {
    ...edge,
    judgeInbound: inboundJudge({
      clock,
      certificates,
      visit,
      publicUrl: config.publicUrl.replace(/\/+$/, '') || undefined,
    }),
    namesCertificate,
    hasInbound: subscriptions.hasInbound,
    onInboundRefused: (to, request, reason, body) => inboundRefusals.refused(to, request, reason, body),
    onInboundVerified: ({ id }) => inboundRefusals.verified(id),
    ...uids,
    ingest,
    once,
    eventTypes,
    subscription,
    findSubscription,
    logger,
    hasLine,
  })
  const onRefusedEvent = (code: ErrorCode) => metrics.path.rejected(code)
  const publishing = { ...edge, publisher, once, clock, logger, hasLine, onRefusedEvent }
  publishRoutes(app, publishing)
  sourceReceivingRoutes(app, {
    ...{ ...edge, publisher, once, clock, logger, hasLine },
    ...{ sources: sources.known, records: sourceRecords, certificates, visit },
    isDeleted: tenant => tenants.isDeleted(tenant),
  })
  // A batch that could never be in memory is refused by its length.
  const batchBytesMax = Math.min(config.batchLimitBytes, config.memoryLimitMb * 1_048_576)
  batchRoutes(app, { ...publishing, batchBytesMax })
}

/**
 * Asks the database nothing: what this process did last with it says whether it can do so again. Redis is told of, and
 * partitions that cannot be made, but without them the service is as ready as with them: where a partition is missing, it
 * is `events` that fail.
 */
async function readiness(
  { failing, trouble }: DatabaseHealth,
  troubles: Troubles,
  redis: string | undefined,
  stopping: boolean,
) {
  const checks = {
    database: trouble ?? 'ok',
    ...Object.fromEntries([...failing].map(use => [use, 'failing'])),
    service: stopping ? 'stopping' : 'ok',
    ...(redis && { redis }),
    ...(troubles.has('partitions', 'events') && { partitions: 'failing' }),
  }
  return { ready: failing.size === 0 && !stopping, checks }
}
