import { hostname } from 'node:os'
import type { Config } from '../config/config.ts'
import { subscriptionLanes } from '../lanes/subscription-lanes.ts'
import type { PathFacts } from '../model/path-facts.ts'
import { defaultRetryPolicy } from '../model/retry-policy.ts'
import type { Clock } from '../platform/clock.ts'
import type { Logger } from '../platform/logger.ts'
import type { Database } from '../platform/postgres.ts'
import type { Sealer } from '../platform/seal.ts'
import { inboundFaults } from '../sources/inbound.ts'
import type { Ownership } from '../subscriptions/ownership.ts'
import type { SubscriptionDefaults } from '../subscriptions/rules.ts'
import { Subscriptions } from '../subscriptions/subscriptions.ts'

export interface OpenSubscriptionsDeps {
  readonly config: Config
  readonly database: Database
  readonly clock: Clock
  readonly logger: Logger
  readonly seal: Sealer
  /** Says what is wrong with a target URL; undefined: nothing. */
  readonly checkTarget: ConstructorParameters<typeof Subscriptions>[0]['checkTarget']
  readonly facts?: PathFacts
  /** Whether an address is one of this service itself. */
  readonly isOwn: Ownership['isOwn']
}

/**
 * The subscriptions, with the defaults of these settings. They are read when the process listens to changes of them: by
 * `Notices.keepListening`.
 */
export function openSubscriptions(deps: OpenSubscriptionsDeps): Subscriptions {
  const { config, database, clock, logger, seal, checkTarget, facts } = deps
  return new Subscriptions({
    database,
    seal,
    defaults: subscriptionDefaults(config),
    checkTarget,
    checkInbound: inboundFaults,
    lanes: subscriptionLanes,
    ownership: { setting: config.ownershipCheck, isOwn: deps.isOwn },
    mayReveal: config.revealSecrets,
    clock,
    log: logger,
    facts,
  })
}

/** What holds where a subscription says nothing else. */
export function subscriptionDefaults(config: Config): SubscriptionDefaults {
  const { deliveryTimeoutMs: timeoutMs, connectTimeoutMs, subscriptionMaxInFlight: maxInFlight } = config
  return {
    retry: defaultRetryPolicy,
    ...{ timeoutMs, connectTimeoutMs, maxInFlight, capture: config.captureResponses },
    requestOrigin: config.publicUrl === '' ? hostname() : new URL(config.publicUrl).hostname,
  }
}
