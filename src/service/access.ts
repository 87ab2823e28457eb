import type { Notices } from '../cluster/notices.ts'
import type { Config } from '../config/config.ts'
import { ApiKeys, keysNotice, withdrawAccess } from '../keys/keys.ts'
import { ManagedKeys } from '../keys/managed-keys.ts'
import { PortalTokens } from '../keys/portal-tokens.ts'
import { Sessions } from '../keys/sessions.ts'
import type { Clock } from '../platform/clock.ts'
import type { Logger } from '../platform/logger.ts'
import { type Database, isDatabaseUnavailable } from '../platform/postgres.ts'
import { Tenants, tenantNotice } from '../tenants/tenants.ts'

/** Who may use the service, and for whom. */
export interface Access {
  readonly tenants: Tenants
  /** Undefined: no keys are asked for. */
  readonly keys: ApiKeys | undefined
  /** Undefined: no keys are asked for, or there is no dashboard. */
  readonly sessions: Sessions | undefined
  readonly managedKeys: ManagedKeys
  readonly portalTokens: PortalTokens
}

export interface AccessDeps {
  readonly config: Config
  readonly database: Database
  readonly clock: Clock
  readonly logger: Logger
}

/** Makes these parts; they hear of what other processes change. */
export async function openAccess(
  { config, database, clock, logger }: AccessDeps,
  notices: Notices,
): Promise<Access> {
  const keys = config.auth === 'keys' ? new ApiKeys({ database, clock }) : undefined
  const tenants = new Tenants({
    ...{ database, withdrawAccess },
    ...(keys && { withdrawn: (tenant: string) => keys.refresh({ kind: 'tenant', tenant }) }),
  })
  const failed = (what: string) => (error: unknown) => {
    const level = isDatabaseUnavailable(error) ? 'debug' : 'warn' // then all are read again afterwards
    logger[level]({ err: error }, `${what} could not be read`)
  }
  notices.on(
    tenantNotice,
    id => void tenants.refresh(id).catch(failed('a changed tenant')),
    () => tenants.load(),
  )
  if (keys !== undefined) {
    notices.on(
      keysNotice,
      change => void keys.refresh(change).catch(failed('a changed key')),
      () => keys.load(),
    )
  }
  await tenants.load()
  const changed = keys && { changed: (change: Parameters<ApiKeys['refresh']>[0]) => keys.refresh(change) }
  const publicUrl = config.publicUrl.replace(/\/+$/, '') || undefined
  const sessions =
    keys && config.uiEnabled ? new Sessions({ database, clock, keys, hours: config.sessionHours }) : undefined
  return {
    tenants,
    keys,
    sessions,
    managedKeys: new ManagedKeys({ database, clock, ...changed }),
    portalTokens: new PortalTokens({ database, clock, publicUrl, basePath: config.basePath, ...changed }),
  }
}
