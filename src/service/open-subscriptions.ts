import type { Config } from '../config/config.ts'
import { subscriptionLanes } from '../lanes/subscription-lanes.ts'
import { defaultRetryPolicy } from '../model/retry-policy.ts'
import type { Clock } from '../platform/clock.ts'
import type { Logger } from '../platform/logger.ts'
import type { Database } from '../platform/postgres.ts'
import { openSealer } from '../platform/seal.ts'
import { Subscriptions } from '../subscriptions/subscriptions.ts'

export interface OpenSubscriptionsDeps {
  readonly config: Config
  readonly database: Database
  readonly clock: Clock
  readonly logger: Logger
  /** Says what is wrong with a target URL; undefined: nothing. */
  readonly checkTarget: ConstructorParameters<typeof Subscriptions>[0]['checkTarget']
}

/**
 * The subscriptions, with the defaults of these settings. They are read when the process listens to changes of them: by
 * `Notices.keepListening`.
 *
 * @throws StartupError when an encryption key that the database needs is missing
 */
export async function openSubscriptions(deps: OpenSubscriptionsDeps): Promise<Subscriptions> {
  const { config, database, clock, logger, checkTarget } = deps
  const { deliveryTimeoutMs: timeoutMs, connectTimeoutMs, subscriptionMaxInFlight: maxInFlight } = config
  return new Subscriptions({
    database,
    seal: await openSealer(database, config),
    defaults: { retry: defaultRetryPolicy, timeoutMs, connectTimeoutMs, maxInFlight },
    checkTarget,
    lanes: subscriptionLanes,
    mayReveal: config.revealSecrets,
    clock,
    log: logger,
  })
}
