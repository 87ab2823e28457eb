import type { Config } from '../config/config.ts'
import { subscriptionLanes } from '../lanes/subscription-lanes.ts'
import type { PathFacts } from '../model/path-facts.ts'
import { defaultRetryPolicy } from '../model/retry-policy.ts'
import type { Clock } from '../platform/clock.ts'
import type { Logger } from '../platform/logger.ts'
import type { Database } from '../platform/postgres.ts'
import type { Sealer } from '../platform/seal.ts'
import { inboundFaults } from '../sources/inbound.ts'
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
}

/**
 * The subscriptions, with the defaults of these settings. They are read when the process listens to changes of them: by
 * `Notices.keepListening`.
 */
export function openSubscriptions(deps: OpenSubscriptionsDeps): Subscriptions {
  const { config, database, clock, logger, seal, checkTarget, facts } = deps
  const { deliveryTimeoutMs: timeoutMs, connectTimeoutMs, subscriptionMaxInFlight: maxInFlight } = config
  const capture = config.captureResponses
  return new Subscriptions({
    database,
    seal,
    defaults: { retry: defaultRetryPolicy, timeoutMs, connectTimeoutMs, maxInFlight, capture },
    checkTarget,
    checkInbound: inboundFaults,
    lanes: subscriptionLanes,
    mayReveal: config.revealSecrets,
    clock,
    log: logger,
    facts,
  })
}
