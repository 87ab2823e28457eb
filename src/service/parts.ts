import type { Presence } from '../cluster/membership.ts'
import type { Config } from '../config/config.ts'
import { Gates } from '../dispatch/throttle.ts'
import type { Egress } from '../egress/egress.ts'
import { lanesOnly, ownMemory } from '../handover/holder.ts'
import { UnsureRows } from '../handover/unsure-rows.ts'
import { ensurePartitions } from '../log/partitions.ts'
import { defaultRetryPolicy } from '../model/retry-policy.ts'
import type { SteerableClock } from '../platform/clock.ts'
import type { Logger } from '../platform/logger.ts'
import type { Connection, Database } from '../platform/postgres.ts'
import { agreeOnKey, createSealer, loadEncryptionKeys } from '../platform/seal.ts'
import { ReceiverStates } from '../subscriptions/receiver-states.ts'
import { Subscriptions } from '../subscriptions/subscriptions.ts'
import { connectControl, makePresence } from './control.ts'
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
  readonly subscriptions: Subscriptions
  readonly receivers: ReceiverStates
  readonly unsure: UnsureRows
  readonly control: Connection
  readonly messengers: Messengers
  readonly presence: Presence
  /** Undefined where nothing is accepted (role `worker`). */
  readonly inbound: Inbound | undefined
  /** Undefined where nothing is delivered (role `api`). */
  readonly outbound: Outbound | undefined
}

/** Makes the parts that the role of this process asks for: what accepts events, what delivers them, or both. */
export async function makeParts(ground: Ground): Promise<Parts> {
  const { config, logger, clock, database } = ground
  const { role } = config
  const subscriptions = await openSubscriptions(ground)
  const gates = new Gates(clock, {
    failures: config.circuitFailures,
    cooldownMs: config.circuitCooldownSeconds * 1000,
  })
  const receivers = new ReceiverStates({
    database,
    logger,
    refresh: id => subscriptions.refresh(id),
    disableAfterHours: config.disableAfterHours,
  })
  const lanesDue = (dueAt: number) => {
    if (outbound) outbound.lanes.ring(dueAt)
    else messengers.engine.ring()
  }
  const control = connectControl(database, {
    subscriptions,
    gates,
    logger,
    lanesDue: () => outbound?.lanes.ring(clock.now()),
  })
  const shared = {
    ...ground,
    subscriptions,
    receivers,
    gates,
    unsure: new UnsureRows(clock),
    owner: () => presence.owner,
    seat: () => presence.seat,
    isSure: () => presence.isSure,
    ensurePartitions: () => makePartitions(ground),
  }
  const messengers = await Messengers.open({ ...shared, redisUrl: config.redisUrl, role, control })
  const outbound = role === 'api' ? undefined : new Outbound(shared)
  if (outbound) messengers.attach(outbound)
  const holder = outbound
    ? ownMemory(outbound.dispatcher, () => (presence.isSure ? presence.owner : null))
    : (messengers.handOff ?? lanesOnly)
  const inbound = role === 'worker' ? undefined : new Inbound({ ...shared, holder, lanesDue })
  const presence = makePresence({ ...shared, role, control, messengers, inbound, outbound })
  return { ...shared, control, messengers, presence, inbound, outbound }
}

async function makePartitions({ config, clock, database }: Ground): Promise<void> {
  await ensurePartitions(database, clock.now(), config.logRetentionHours, config.detailsRetentionHours)
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
