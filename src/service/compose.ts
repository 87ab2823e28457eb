import { type Bell, lanesNotice, PostgresBell, RedisBell } from '../cluster/bell.ts'
import { Horizon, horizonNotice } from '../cluster/horizon.ts'
import { type Holdings, Membership } from '../cluster/membership.ts'
import { Notices } from '../cluster/notices.ts'
import type { Config } from '../config/config.ts'
import type { OwnershipChecks } from '../deliver/ownership-checks.ts'
import type { TestSends } from '../deliver/test-sends.ts'
import type { AccessTokens } from '../destinations/http/http-destination.ts'
import { httpHint } from '../destinations/http/http-destination.ts'
import { ConcurrencyShare } from '../dispatch/concurrency-share.ts'
import { Throttle } from '../dispatch/throttle.ts'
import type { Egress } from '../egress/egress.ts'
import { EventTypes, eventTypeNotice } from '../event-types/event-types.ts'
import { Expunges, expungedNotice, expungeNotice } from '../events/expunges.ts'
import type { Handover } from '../handover/handover.ts'
import { LaneReturn } from '../handover/lane-return.ts'
import { LeasedRows, type LookPaces } from '../handover/leased-rows.ts'
import { OwnMemory } from '../handover/own-memory.ts'
import { PostgresHandover } from '../handover/postgres-handover.ts'
import type { HandoverReceiver } from '../handover/redis-receiver.ts'
import { type ApiKeys, keysNotice } from '../keys/keys.ts'
import { Discards, discardNotice } from '../lanes/discard-waiting.ts'
import { recoverHoldings } from '../lanes/recover.ts'
import { openUntil, subscriptionLanes } from '../lanes/subscription-lanes.ts'
import { Live } from '../live/live.ts'
import { ownSources } from '../live/sources.ts'
import type { Metrics } from '../metrics/metrics.ts'
import { PathFacts } from '../model/path-facts.ts'
import { pauseNotice } from '../model/pause.ts'
import { ReceiverTroubles } from '../monitor/receiver-troubles.ts'
import { troublesToTell } from '../monitor/troubles.ts'
import type { SteerableClock } from '../platform/clock.ts'
import type { DatabaseHealth } from '../platform/database-health.ts'
import { allowedDescriptors } from '../platform/descriptors.ts'
import { installationId } from '../platform/installation.ts'
import type { Logger } from '../platform/logger.ts'
import { type Connection, type Database, isDatabaseUnavailable } from '../platform/postgres.ts'
import type { RedisLink } from '../platform/redis.ts'
import { openSealer, type Sealer } from '../platform/seal.ts'
import { fixedPlans } from '../platform/sql.ts'
import type { Troubles } from '../platform/troubles.ts'
import { Replays, replayNotice } from '../replay/replays.ts'
import { beginWithFound } from '../subscriptions/in-flight.ts'
import { ReceiverStates } from '../subscriptions/receiver-states.ts'
import { type Subscriptions, subscriptionNotice } from '../subscriptions/subscriptions.ts'
import { receivedSource } from '../test-receivers/live.ts'
import type { TestReceivers } from '../test-receivers/test-receivers.ts'
import type { Tracing } from '../tracing/tracing.ts'
import { version } from '../version.ts'
import { type Access, openAccess } from './access.ts'
import { openTokens } from './credentials.ts'
import { DescriptorCount, descriptorAdvice, receiverConnectionsMax } from './descriptors.ts'
import { Inbound } from './inbound.ts'
import { type OpenSources, openSources } from './open-sources.ts'
import { openSubscriptions } from './open-subscriptions.ts'
import { Outbound } from './outbound.ts'
import { type Listening, openOwnReceivers, openTestSends } from './own-receivers.ts'
import { openOwnershipChecks } from './ownership-checks.ts'
import { makePathPartitions } from './partitions.ts'
import { eventsKeptMs, logRetentionMs } from './retention.ts'

/** How often is done what is done from time to time; undefined: as usual. */
export interface Paces {
  readonly beatEveryMs?: number
  readonly looks?: LookPaces
  readonly systemEventsEveryMs?: number
  readonly redisProbeEveryMs?: number
}

/** What every part is made from. */
export interface Ground {
  readonly config: Config
  readonly logger: Logger
  readonly clock: SteerableClock
  readonly random: () => number
  readonly paces: Paces | undefined
  readonly database: Database
  readonly health: DatabaseHealth
  readonly troubles: Troubles
  readonly metrics: Metrics
  /** Undefined: nothing is traced. */
  readonly tracing: Tracing | undefined
  readonly egress: Egress
}

/** The parts of one process that need no port, joined but not started. */
export interface Parts extends OpenSources {
  readonly notices: Notices
  /** What was accepted, settled and moved here, for whoever listens. */
  readonly facts: PathFacts
  readonly access: Access
  readonly membership: Membership
  readonly subscriptions: Subscriptions
  readonly eventTypes: EventTypes
  readonly replays: Replays
  readonly discards: Discards
  /** Up to where all is written, for the event stream. */
  readonly horizon: Horizon
  readonly live: Live
  readonly expunges: Expunges
  readonly receivers: ReceiverStates
  readonly seal: Sealer
  readonly testReceivers: TestReceivers
  readonly testSends: TestSends
  readonly tokens: AccessTokens
  readonly ownershipChecks: OwnershipChecks
  /** To be set when this process listens. */
  readonly listening: Listening
  readonly throttle: Throttle
  /** How lanes of other processes are woken. */
  readonly bell: Bell
  /** Undefined without Redis. */
  readonly link: RedisLink | undefined
  readonly handover: Handover
  /** Undefined where nothing is heard of what others accept. */
  readonly receiver: HandoverReceiver | undefined
  /** Undefined where nothing is delivered. */
  readonly leasedRows: LeasedRows | undefined
  readonly concurrencyShare: ConcurrencyShare | undefined
  readonly descriptors: DescriptorCount
  /** Undefined where nothing is accepted (role `worker`). */
  readonly inbound: Inbound | undefined
  /** Undefined where nothing is delivered (role `api`). */
  readonly outbound: Outbound | undefined
}

/**
 * Makes the parts that the role of this process asks for, from the bottom up: who is alive, the subscriptions, what
 * delivers, how processes hand over to each other, what accepts.
 */
export async function compose(ground: Ground): Promise<Parts> {
  const { config, logger, clock, database, health } = ground
  const { role } = config
  const notices = new Notices(database)
  const { connection: control } = notices
  const membership = new Membership({
    ...{ control, health, clock, logger, role, version },
    connection: database.connection('heartbeat', { queryTimeoutMs: 5000 }),
    unheardMs: unheardMs(config),
    beatEveryMs: ground.paces?.beatEveryMs,
    recover: (held, signal) => recover(ground, held, signal),
  })
  membership.on('beat', () => notices.keepListening())
  const access = await openAccess(ground, notices)
  const seal = await openSealer(database, config)
  const own = openOwnReceivers({ ...ground, seal }, notices)
  const facts = openFacts(ground)
  const subscriptions = openSubscriptions({ ...ground, ...own, seal, facts })
  hearOfChanges(notices, subscriptions, logger)
  const eventTypes = openEventTypes(ground, notices)
  const tokens = openTokens({ ...ground, seal })
  const testSends = openTestSends(ground, membership.unwritten, {
    ...own,
    ...{ subscriptions, eventTypes, tokens },
  })
  const ownershipChecks = openOwnershipChecks(ground, { ...own, subscriptions, tokens })
  const asked = openAskedFor(ground, notices, access)
  const stream = openStream(ground, notices, membership, access.keys)
  const receivers = new ReceiverStates({
    database,
    logger,
    lanes: subscriptionLanes,
    refresh: id => subscriptions.refresh(id),
    disableAfterHours: config.disableAfterHours,
    facts,
  })
  const throttle = new Throttle(clock, {
    failures: config.circuitFailures,
    cooldownMs: config.circuitCooldownSeconds * 1000,
  })
  await beginWithFound({ database, throttle })
  hearOfPauses(database, notices, throttle)
  const link = await openLink(ground)
  const bell = openBell(link, control)
  const descriptors = countDescriptors(ground)
  const shared = {
    ...ground,
    ...{ notices, facts, access, membership, subscriptions, eventTypes, receivers },
    ...{ throttle, link, bell },
    ...stream,
    ensurePartitions: async () => void (await makePathPartitions(ground)),
    ...asked,
    ...{ ...own, ...openSources({ ...ground, seal }, notices), seal, testSends, ownershipChecks, tokens },
    receiverConnectionsMax: receiverConnectionsMax(descriptors.allowed),
  }
  const outbound = role === 'api' ? undefined : new Outbound(shared)
  if (outbound) hearBells(shared, outbound)
  asked.expunges.onTakenOut(() => outbound?.payloadsExpunged())
  const concurrencyShare = outbound && shareConcurrency(shared, outbound)
  const hand = await (outbound ? ownMemory(shared, outbound) : handoverToOthers(shared))
  const hot = { handover: hand.handover, recentContents: outbound?.recentContents }
  const inbound = role === 'worker' ? undefined : new Inbound({ ...shared, ...hot })
  membership.describe(() => ({
    ...statsOf(bell, descriptors, shared.live, inbound, outbound),
    ...troublesIn(ground),
  }))
  membership.on('beat', async () => {
    await reopen(ground)
    await inbound?.writer.tryAgain()
  })
  return { ...shared, ...hand, concurrencyShare, descriptors, inbound, outbound }
}

/** What broke is opened again before an event needs it. */
async function reopen({ database, health }: Ground): Promise<void> {
  await database.reopen().then(
    () => health.succeeded('connections'),
    error => health.failed('connections', error),
  )
}

function countDescriptors({ config, logger }: Ground): DescriptorCount {
  const descriptors = new DescriptorCount(allowedDescriptors())
  const advice = descriptorAdvice(config, descriptors.allowed)
  if (advice !== undefined) logger.warn(advice)
  return descriptors
}

async function recover({ database, clock, logger, metrics }: Ground, held: Holdings, signal: AbortSignal) {
  const recovered = await recoverHoldings({ database, clock, logger }, held, signal)
  if (recovered.kind === 'recovered') metrics.path.recovered(recovered.deliveries)
  return recovered
}

/** What the path tells, with those that are always told. */
function openFacts({ database, logger, metrics, troubles }: Ground): PathFacts {
  const receiverTroubles = new ReceiverTroubles({ database, troubles, logger })
  const facts = new PathFacts(error => logger.error({ err: error }, 'a fact of the path was not taken'))
  facts.on({
    accepted: events => metrics.path.accepted(events),
    settled: settlements => metrics.path.settled(settlements),
    moved: moves => receiverTroubles.moved(moves),
  })
  return facts
}

function troublesIn({ troubles }: Ground): object {
  const told = troublesToTell(troubles)
  return told.length > 0 ? { troubles: told } : {}
}

/** What runs in the background when somebody has asked for it, in whichever process. */
function openAskedFor(
  { config, database, clock, logger }: Ground,
  notices: Notices,
  { tenants }: Access,
): Pick<Parts, 'replays' | 'discards' | 'expunges'> {
  const replays = new Replays({
    database,
    clock,
    retentionMs: (config.payloadRetentionHours ?? config.logRetentionHours) * 3_600_000,
    keptMs: tenant => eventsKeptMs(config, tenants.retentionOf(tenant)),
  })
  notices.on(replayNotice, () => replays.noticed())
  const discards = new Discards({ database, logger })
  notices.on(discardNotice, () => discards.noticed())
  const expunges = new Expunges({ database, clock, logger })
  notices.on(expungeNotice, () => expunges.noticed())
  const takenOut = () => expunges.takenOut()
  notices.on(expungedNotice, takenOut, async () => takenOut())
  return { replays, discards, expunges }
}

/** What the parts below are joined from. */
interface Shared extends Ground {
  readonly notices: Notices
  readonly membership: Membership
  readonly subscriptions: Subscriptions
  readonly eventTypes: EventTypes
  readonly throttle: Throttle
  readonly link: RedisLink | undefined
  readonly bell: Bell
}

async function openLink({
  config,
  database,
  logger,
  troubles,
  paces,
}: Ground): Promise<RedisLink | undefined> {
  const { redisUrl: url } = config
  if (url === undefined) return undefined
  const { openRedis } = await import('../platform/redis.ts')
  // Each installation has keys of its own, so that several can share one Redis.
  const prefix = `webhooks:${await installationId(database)}`
  return openRedis({ url, prefix, logger, troubles, probeEveryMs: paces?.redisProbeEveryMs })
}

function openBell(link: RedisLink | undefined, connection: Connection): Bell {
  const postgres = new PostgresBell(connection)
  return link ? new RedisBell(link, postgres) : postgres
}

function hearBells({ notices, bell, clock }: Shared, { lanes }: Outbound): void {
  const ring = () => lanes.ring(clock.now())
  notices.on(lanesNotice, ring)
  if (bell instanceof RedisBell) bell.onRing(ring)
}

function shareConcurrency(shared: Shared, { dispatcher }: Outbound): ConcurrencyShare {
  const { clock, membership, subscriptions, link, throttle } = shared
  const concurrencyShare = new ConcurrencyShare({
    clock,
    membership,
    subscription: id => subscriptions.get(id),
    inFlight: id => dispatcher.inFlightTo(id),
    mayHaveMore: id => dispatcher.lookAgain(id),
    link,
  })
  throttle.shareWith(concurrencyShare)
  return concurrencyShare
}

type Hand = Pick<Parts, 'handover' | 'receiver' | 'leasedRows'>

/** This process delivers: it holds what it accepts, and as a worker what others hand over to it. */
async function ownMemory(shared: Shared, outbound: Outbound): Promise<Hand> {
  const { clock, config, link, logger, membership, subscriptions, throttle } = shared
  const { dispatcher, lanes } = outbound
  // A process that accepts events itself has enough to do with those.
  const hearsFrom = config.role === 'worker' ? link : undefined
  const leasedRows = new LeasedRows({
    ...{ clock, logger, membership },
    connection: handoverConnection(shared),
    // An event waits for its statement for at most this long, and the statement may then take as long.
    commitMsMax: 2 * config.ingestTimeoutMs,
    hearsByMessage: hearsFrom !== undefined,
    returned: () => lanes.ring(clock.now()),
    paces: shared.paces?.looks,
  })
  outbound.onLeft(delivery => leasedRows.left(delivery))
  const handover = new OwnMemory({
    ...{ dispatcher, membership, throttle, leasedRows },
    takeFresh: delivery => lanes.takeFresh(delivery),
    ringLanes: (dueAt, subscriptionId) => lanes.ring(dueAt, subscriptionId),
  })
  const receiver =
    hearsFrom &&
    new (await import('../handover/redis-receiver.ts')).HandoverReceiver({
      ...{ link: hearsFrom, membership, leasedRows, ownMemory: handover },
      subscription: id => subscriptions.get(id),
      room: () => outbound.roomForFresh,
    })
  membership.on('newId', () => {
    leasedRows.forget()
    receiver?.renew()
  })
  return { handover, receiver, leasedRows }
}

/** This process accepts only: workers deliver. */
async function handoverToOthers(shared: Shared): Promise<Hand> {
  const { bell, clock, link, membership, throttle } = shared
  if (!link) return { handover: new PostgresHandover(bell), receiver: undefined, leasedRows: undefined }
  const laneReturn = new LaneReturn({
    connection: handoverConnection(shared),
    clock,
    returned: () => bell.ring(),
  })
  const { RedisHandover } = await import('../handover/redis-handover.ts')
  const handover = new RedisHandover({ link, bell, membership, throttle, laneReturn })
  return { handover, receiver: undefined, leasedRows: undefined }
}

/** Opened when it is needed first. */
function handoverConnection({ database }: Shared): Connection {
  return database.connection('handover', { queryTimeoutMs: 5000, session: fixedPlans, isRare: true })
}

/**
 * How old a row may be that is leased to a process without being held by it. An event waits for its statement, and the
 * statement may then take as long (twice INGEST_TIMEOUT_MS); where the answer was lost, its rows are looked for during two
 * minutes more (`UnsureRows`), and what no message has told a worker of is looked for sooner (`HandedRows`). The rest is
 * for clocks that differ.
 */
function unheardMs({ ingestTimeoutMs }: Config): number {
  return 2 * ingestTimeoutMs + 150_000
}

/** What another process (or this one) has found out about a receiver, and what was missed of it. */
function hearOfPauses(database: Database, notices: Notices, throttle: Throttle): void {
  notices.on(
    pauseNotice,
    notice => {
      if (notice.kind === 'resumed') throttle.resume(notice.subscriptionId)
      else throttle.pause(notice.subscriptionId, notice.until, notice.reason)
    },
    async () => {
      // What was paused here may have been resumed, or closed for longer, while nothing was heard.
      const paused = throttle.paused()
      if (paused.size > 0) throttle.follow(await openUntil(database, [...paused.keys()]), paused)
    },
  )
}

/** The event stream, and what this process says to those of others. With nobody listening it does nothing. */
function openStream(
  { config, clock, logger, database }: Ground,
  notices: Notices,
  membership: Membership,
  keys: ApiKeys | undefined,
): Pick<Parts, 'horizon' | 'live'> {
  // What it writes, and tells, need not be on the disk: after a crash of PostgreSQL it is said again.
  const session = `${fixedPlans}; set synchronous_commit = off`
  const connection = database.connection('stream', { queryTimeoutMs: 10_000, session, isRare: true })
  const horizon = new Horizon({ connection, membership })
  notices.on(horizonNotice, by => horizon.asked(by))
  const live = new Live({
    ...{ clock, logger, database },
    tail: { connection, horizon },
    sources: [...ownSources(httpHint), receivedSource],
    streamsMax: config.maxStreams,
    retentionMs: tenant => logRetentionMs(database, config, tenant),
  })
  // Whose key was revoked, or who has signed out, reads on in no process. What has changed was read just before.
  const lookAgain = async () => {
    await keys?.refreshed()
    live.lookAgain()
  }
  notices.on(keysNotice, () => void lookAgain(), lookAgain)
  return { horizon, live }
}

/** What operators see of this process (`processes.stats`, `GET /system`). */
function statsOf(
  bell: Bell,
  descriptors: DescriptorCount,
  live: Live,
  inbound: Inbound | undefined,
  outbound: Outbound | undefined,
): object {
  return {
    engine: bell.name,
    streams: live.size,
    descriptorsUsed: descriptors.used,
    descriptorsAllowed: descriptors.allowed,
    ...(bell.state && { redis: bell.state }),
    ...(outbound && {
      ...outbound.dispatcher.load,
      ...outbound.connections,
      lanes: outbound.lanes.held,
      settling: outbound.log.depth,
    }),
    ...(inbound && { waiting: inbound.writer.depth }),
  }
}

/** Hears of subscriptions that other processes have changed. */
function hearOfChanges(notices: Notices, subscriptions: Subscriptions, logger: Logger): void {
  notices.on(
    subscriptionNotice,
    id => {
      subscriptions.refresh(id).catch(error => {
        const level = isDatabaseUnavailable(error) ? 'debug' : 'warn' // then all are read again afterwards
        logger[level]({ err: error, subscription_id: id }, 'a changed subscription could not be read')
      })
    },
    () => subscriptions.load(),
  )
}

/** A process that accepts events knows which types are checked; one that only delivers does not ask. */
function openEventTypes({ config, database, logger }: Ground, notices: Notices): EventTypes {
  const eventTypes = new EventTypes({ database, log: logger })
  if (config.role === 'worker') return eventTypes
  notices.on(
    eventTypeNotice,
    () => {
      eventTypes.load().catch(error => {
        const level = isDatabaseUnavailable(error) ? 'debug' : 'warn' // then all are read again afterwards
        logger[level]({ err: error }, 'changed event types could not be read')
      })
    },
    () => eventTypes.load(),
  )
  return eventTypes
}
