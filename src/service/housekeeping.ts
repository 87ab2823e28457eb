import type { Bell } from '../cluster/bell.ts'
import type { Member, Membership } from '../cluster/membership.ts'
import type { Config } from '../config/config.ts'
import type { OwnershipChecks } from '../deliver/ownership-checks.ts'
import type { Throttle } from '../dispatch/throttle.ts'
import type { Expunges } from '../events/expunges.ts'
import type { Discards } from '../lanes/discard-waiting.ts'
import { repair } from '../lanes/repair.ts'
import { oldestKept } from '../log/partitions.ts'
import { runRetention } from '../log/retention.ts'
import type { Clock } from '../platform/clock.ts'
import { every, type Repeated } from '../platform/every.ts'
import type { Logger } from '../platform/logger.ts'
import type { Database } from '../platform/postgres.ts'
import type { RedisLink } from '../platform/redis.ts'
import type { Troubles } from '../platform/troubles.ts'
import { removeFinishedReplays } from '../replay/finished.ts'
import type { Replays } from '../replay/replays.ts'
import { runReplays } from '../replay/run.ts'
import type { InboundRefusals } from '../sources/inbound-refusals.ts'
import type { SourceRecords } from '../sources/records.ts'
import { RollUps } from '../stats/roll-up.ts'
import { reviewCertificates } from '../subscriptions/certificate-review.ts'
import { keepFound } from '../subscriptions/in-flight.ts'
import { removeOldChanges } from '../subscriptions/old-changes.ts'
import type { ReceiverStates } from '../subscriptions/receiver-states.ts'
import type { Subscriptions } from '../subscriptions/subscriptions.ts'
import { publishFacts } from '../system-events/system-events.ts'
import { emptyTenants, freeTenantIds } from '../tenants/removal.ts'
import type { TestReceivers } from '../test-receivers/test-receivers.ts'
import type { Access } from './access.ts'
import { belongings } from './belongings.ts'
import type { Paces } from './compose.ts'
import { makePartitions } from './partitions.ts'
import { retentionSettings } from './retention.ts'

export interface House {
  readonly config: Config
  readonly paces: Paces | undefined
  readonly database: Database
  readonly clock: Clock
  readonly logger: Logger
  readonly troubles: Troubles
  readonly subscriptions: Subscriptions
  readonly replays: Replays
  readonly receivers: ReceiverStates
  readonly link: RedisLink | undefined
  readonly bell: Bell
  readonly throttle: Throttle
  readonly membership: Member & Pick<Membership, 'unwritten'>
  readonly discards: Discards
  readonly access: Access
  readonly testReceivers: TestReceivers
  readonly sourceRecords: SourceRecords
  readonly inboundRefusals: InboundRefusals
  readonly expunges: Expunges
  readonly ownershipChecks: OwnershipChecks
}

/**
 * What is done from time to time. Every process tries, whatever its role; what one may do at a time is done by the one
 * that gets its advisory lock.
 */
export function keepHouse(house: House): readonly Repeated[] {
  const { config, database, clock, logger, subscriptions, receivers, link, paces } = house
  const { tenants, keys, sessions, portalTokens } = house.access
  const telling = { ...house, tenants, unwritten: house.membership.unwritten }
  const removal = { database, clock, logger, tenants, belongings, oldestKept: () => oldestKept(database) }
  const replaying = every(30_000, 'replay', logger, signal => runReplays(house, signal))
  house.replays.onMade(() => replaying.hurry())
  const discarding = every(30_000, 'discard of what waited', logger, signal => house.discards.run(signal))
  house.discards.onAsked(() => discarding.hurry())
  const rollUps = new RollUps({ ...{ database, clock, logger }, ...config })
  const expunging = every(30_000, 'expunge', logger, signal => house.expunges.run(signal))
  house.expunges.onMade(() => expunging.hurry())
  return [
    every(3_600_000, 'retention', logger, signal =>
      runRetention({ database, clock, logger, subscriptions, ...retentionSettings(config) }, signal),
    ),
    every(3_600_000, 'removal of old changes of states', logger, signal =>
      removeOldChanges(
        { database, clock, logger, retentionMs: config.logRetentionHours * 3_600_000 },
        signal,
      ),
    ),
    every(3_600_000, 'removal of finished replays', logger, signal =>
      removeFinishedReplays(
        { database, clock, logger, retentionMs: config.replayRetentionDays * 24 * 3_600_000 },
        signal,
      ),
    ),
    // More often than the rest of it, so that one that cannot be made is told soon, and its end too.
    every(300_000, 'making of partitions', logger, () => makePartitions(house)),
    every(60_000, 'repair', logger, async signal => {
      const report = await repair({ database, clock, logger }, signal)
      if (report && report.orphans + report.lanes > 0) logger.warn(report, 'repaired lanes')
    }),
    every(60_000, 'removal of the queues of dead workers', logger, async () => {
      if (!link) return
      const { removeDeadQueues } = await import('../handover/bullmq.ts')
      const removed = await removeDeadQueues(link, database)
      if (removed > 0) logger.info({ removed }, 'removed from Redis what dead processes left there')
    }),
    every(paces?.systemEventsEveryMs ?? 5000, 'system events', logger, signal =>
      publishFacts(telling, signal),
    ),
    every(60_000, 'review of failing receivers', logger, () => receivers.review()),
    every(60_000, 'asking of receivers that were not heard', logger, signal =>
      house.ownershipChecks.goOn(signal),
    ),
    every(3_600_000, 'review of client certificates', logger, reviewCertificates(house)),
    // Asks the database nothing while no tenant was deleted.
    every(2000, 'removal of what deleted tenants had', logger, signal => emptyTenants(removal, signal)),
    every(3_600_000, 'freeing the ids of deleted tenants', logger, () => freeTenantIds(removal)),
    every(3_600_000, 'removal of expired portal tokens', logger, signal =>
      portalTokens.removeExpired(signal),
    ),
    every(3_600_000, 'removal of ended sessions', logger, async signal => sessions?.removeExpired(signal)),
    every(10_000, 'writing when keys were used', logger, async () => keys?.writeUses()),
    replaying,
    discarding,
    every(5000, 'rolling up of the log', logger, signal => rollUps.run(signal)),
    every(60_000, 'removal of expired test receivers', logger, signal =>
      house.testReceivers.removeExpired(signal),
    ),
    expunging,
    // Asks the database nothing while nothing came.
    every(1000, 'writing what came to sources', logger, () => house.sourceRecords.flush()),
    every(1000, 'writing what subscriptions refused', logger, () => house.inboundRefusals.flush()),
    every(3_600_000, 'removal of what sources refused', logger, signal =>
      house.sourceRecords.removeOld(config.logRetentionHours * 3_600_000, signal),
    ),
    every(3_600_000, 'removal of what subscriptions refused', logger, signal =>
      house.inboundRefusals.removeOld(config.logRetentionHours * 3_600_000, signal),
    ),
    every(5000, 'writing how many requests receivers are served with', logger, keepFound(house)),
  ]
}
