import { AccessTokens, TokenEndpoint } from '../destinations/http/http-destination.ts'
import type { Egress } from '../egress/egress.ts'
import type { Clock } from '../platform/clock.ts'
import type { Logger } from '../platform/logger.ts'
import type { Database } from '../platform/postgres.ts'
import type { Sealer } from '../platform/seal.ts'
import { SharedTokens } from '../subscriptions/shared-tokens.ts'

/** The access tokens of this process: asked for through egress, shared through the database. */
export function openTokens(deps: {
  readonly database: Database
  readonly clock: Clock
  readonly logger: Logger
  readonly egress: Egress
  readonly seal: Sealer
}): AccessTokens {
  return new AccessTokens({
    clock: deps.clock,
    endpoint: new TokenEndpoint(deps.egress.connector),
    share: new SharedTokens(deps),
  })
}
