import type { Config } from '../config/config.ts'
import { OwnershipChecks } from '../deliver/ownership-checks.ts'
import {
  type AccessTokens,
  type ConnectorFor,
  HttpDestination,
} from '../destinations/http/http-destination.ts'
import { subscriptionLanes } from '../lanes/subscription-lanes.ts'
import type { Clock } from '../platform/clock.ts'
import type { Logger } from '../platform/logger.ts'
import type { Database } from '../platform/postgres.ts'
import type { Subscriptions } from '../subscriptions/subscriptions.ts'
import { Verifications } from '../subscriptions/verifications.ts'
import { userAgent } from '../version.ts'
import { subscriptionDefaults } from './open-subscriptions.ts'

export interface OwnershipChecksParts {
  readonly config: Config
  readonly database: Database
  readonly clock: Clock
  readonly logger: Logger
}

/** Of an answer this much is read; a challenge is shorter by far. */
const answerBytesMax = 4096

/** Makes what asks receivers, and has it ask those of subscriptions that are made or moved here. */
export function openOwnershipChecks(
  { config, database, clock, logger }: OwnershipChecksParts,
  parts: {
    readonly subscriptions: Subscriptions
    readonly connectorFor: ConnectorFor
    readonly tokens: AccessTokens
  },
): OwnershipChecks {
  const { subscriptions, connectorFor, tokens } = parts
  const checks = new OwnershipChecks({
    ...{ clock, logger, subscriptions },
    verifications: new Verifications({
      ...{ database, clock, lanes: subscriptionLanes, defaults: subscriptionDefaults(config) },
      refresh: id => subscriptions.refresh(id),
    }),
    destination: new HttpDestination({
      ...{ clock, connectorFor, tokens },
      responseBytesMax: answerBytesMax,
      capture: { of: 'all', bodyBytesMax: answerBytesMax },
    }),
    userAgent: userAgent(config.contactUrl),
    origin: subscriptionDefaults(config).requestOrigin,
  })
  subscriptions.onUnverified((caller, id) => checks.inBackground(caller, id))
  return checks
}
