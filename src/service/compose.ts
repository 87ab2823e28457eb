import { Membership } from '../cluster/membership.ts'
import { Notices } from '../cluster/notices.ts'
import type { Config } from '../config/config.ts'
import { Throttle } from '../dispatch/throttle.ts'
import type { Egress } from '../egress/egress.ts'
import { lanesOnly, ownMemory } from '../handover/holder.ts'
import { UnsureRows } from '../handover/unsure-rows.ts'
import { recoverHoldings } from '../lanes/recover.ts'
import { ensurePartitions } from '../log/partitions.ts'
import { pauseNotice } from '../model/pause.ts'
import { defaultRetryPolicy } from '../model/retry-policy.ts'
import type { SteerableClock } from '../platform/clock.ts'
import type { Logger } from '../platform/logger.ts'
import type { Database } from '../platform/postgres.ts'
import { agreeOnKey, createSealer, loadEncryptionKeys } from '../platform/seal.ts'
import { ReceiverStates } from '../subscriptions/receiver-states.ts'
import { Subscriptions, subscriptionNotice } from '../subscriptions/subscriptions.ts'
import { version } from '../version.ts'
import { Inbound } from './inbound.ts'
import { Messengers } from './messengers.ts'
import { Outbound } from './outbound.ts'

/** What every part is made from. */
export interface Ground {
  readonly config: Config
  readonly logger: Logger
  readonly clock: SteerableClock
  readonly random: () => number
  readonly database: Database
  readonly egress: Egress
}

/** The parts of one process that need no port, joined but not started. */
export interface Parts {
  readonly notices: Notices
  readonly membership: Membership
  readonly subscriptions: Subscriptions
  readonly receivers: ReceiverStates
  readonly throttle: Throttle
  readonly unsure: UnsureRows
  readonly messengers: Messengers
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
  const { config, logger, clock, database } = ground
  const { role } = config
  const notices = new Notices(database)
  const { connection } = notices
  const membership = new Membership({
    ...{ connection, clock, logger, role, version },
    unheardMs: unheardMs(config),
    recover: (held, signal) => recoverHoldings({ database, clock, logger }, held, signal),
  })
  membership.on('beat', () => notices.keepListening())
  const subscriptions = await openSubscriptions(ground, notices)
  const receivers = new ReceiverStates({
    database,
    logger,
    refresh: id => subscriptions.refresh(id),
    disableAfterHours: config.disableAfterHours,
  })
  const throttle = new Throttle(clock, {
    failures: config.circuitFailures,
    cooldownMs: config.circuitCooldownSeconds * 1000,
  })
  hearOfPauses(notices, throttle, receivers)
  const unsure = new UnsureRows(clock)
  const shared = {
    ...ground,
    ...{ notices, membership, subscriptions, receivers, throttle, unsure },
    ensurePartitions: () => makePartitions(ground),
  }
  const outbound = role === 'api' ? undefined : new Outbound(shared)
  const messengers = await Messengers.open({ ...shared, outbound })
  const holder = outbound ? ownMemory(outbound.dispatcher, membership) : (messengers.handOff ?? lanesOnly)
  const lanesDue = (dueAt: number) => (outbound ? outbound.lanes.ring(dueAt) : messengers.bell.ring())
  const inbound = role === 'worker' ? undefined : new Inbound({ ...shared, holder, lanesDue })
  membership.describe(() => statsOf(messengers, inbound, outbound))
  return { ...shared, messengers, inbound, outbound }
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
function hearOfPauses(notices: Notices, throttle: Throttle, receivers: ReceiverStates): void {
  notices.on(
    pauseNotice,
    notice => {
      if (notice.kind === 'resumed') throttle.resume(notice.subscriptionId)
      else throttle.pause(notice.subscriptionId, notice.until, notice.reason)
    },
    async () => {
      // What was paused here may have been resumed, or closed for longer, while nothing was heard.
      const paused = throttle.paused()
      if (paused.size > 0) throttle.follow(await receivers.openUntil([...paused.keys()]), paused)
    },
  )
}

/** What operators see of this process (`processes.stats`, `GET /system`). */
function statsOf(
  messengers: Messengers,
  inbound: Inbound | undefined,
  outbound: Outbound | undefined,
): object {
  return {
    engine: messengers.bell.name,
    ...(messengers.bell.state && { redis: messengers.bell.state }),
    ...(outbound && {
      ...outbound.dispatcher.load,
      lanes: outbound.lanes.held,
      settling: outbound.log.depth,
    }),
    ...(inbound && { waiting: inbound.writer.depth }),
  }
}

async function makePartitions({ config, clock, database }: Ground): Promise<void> {
  await ensurePartitions(database, clock.now(), config.logRetentionHours, config.detailsRetentionHours)
}

async function openSubscriptions(ground: Ground, notices: Notices): Promise<Subscriptions> {
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
  notices.on(
    subscriptionNotice,
    id => {
      subscriptions.refresh(id).catch(error => {
        logger.warn({ err: error, subscription_id: id }, 'a changed subscription could not be read')
      })
    },
    () => subscriptions.load(),
  )
  return subscriptions
}
