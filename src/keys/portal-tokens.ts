import { recordChange } from '../audit/audit.ts'
import { differences } from '../audit/changes.ts'
import { validationFailed } from '../errors.ts'
import type { Caller } from '../model/caller.ts'
import type { Clock } from '../platform/clock.ts'
import type { Database } from '../platform/postgres.ts'
import { checkTenant, portalLookOf } from '../tenants/tenants.ts'
import type { KeysChange } from './keys.ts'
import { deleteExpired, deleteToken, insertToken, readViews } from './portal-store.ts'
import { type MeAnswer, type PortalTokenAnswer, type PortalTokenCreate, portalLimits } from './schema.ts'
import { newSecretText } from './secret-text.ts'
import { notifyKeys } from './store.ts'

export interface PortalTokensDeps {
  readonly database: Database
  readonly clock: Clock
  /** Where clients reach this service, without the last slash; undefined: where the request was sent to. */
  readonly publicUrl: string | undefined
  /** Below which path that is, where `publicUrl` does not say it: empty, or such as `/hooks`. */
  readonly basePath?: string
  /** As for `ManagedKeys`. */
  readonly changed?: (change: KeysChange) => Promise<void>
}

/** Access for customers to what their tenant has, for a while: made by whoever has the tenant's key, or an admin's. */
export class PortalTokens {
  readonly #deps: PortalTokensDeps

  constructor(deps: PortalTokensDeps) {
    this.#deps = deps
  }

  /**
   * Makes a token of the tenant that the caller is for. Only this answer shows it.
   *
   * @param askedAt where the request was sent to, such as `http://localhost:8000`
   * @throws AppError validation_failed
   */
  async create(caller: Caller, body: PortalTokenCreate, askedAt: string): Promise<PortalTokenAnswer> {
    const { database, clock, changed, basePath = '', publicUrl = askedAt + basePath } = this.#deps
    const { tenant } = caller.reach
    if (tenant === null)
      throw validationFailed([{ pointer: '/tenant', detail: 'Say for which tenant the token is.' }])
    const { expires_in_seconds: seconds = portalLimits.secondsUnlessGiven, read_only: readOnly = false } =
      body
    const end = clock.now() + seconds * 1000
    const expiresAt = new Date(Math.min(end, caller.expiresAt ?? end))
    const { text, hash } = newSecretText('whp')
    const id = await database.transaction(async tx => {
      await checkTenant(tx, tenant)
      const made = await insertToken(tx, { hash, tenant, readOnly, views: body.views ?? null, expiresAt })
      const fields = { read_only: readOnly, views: body.views ?? null, expires_at: expiresAt.toISOString() }
      await recordChange(tx, caller.actor, {
        ...{ action: 'portal_token.created', subjectId: made, tenant },
        changes: differences(undefined, fields),
      })
      await notifyKeys(tx, `token ${made}`)
      return made
    })
    await changed?.({ kind: 'token', id })
    const url = `${publicUrl}/ui/portal#token=${text}`
    return { id, token: text, url, expires_at: expiresAt.toISOString() }
  }

  /** Revokes a token, as `ManagedKeys.revoke`. @returns whether there was one */
  async revoke({ actor, reach }: Caller, id: number): Promise<boolean> {
    const { database, changed } = this.#deps
    const revoked = await database.transaction(async tx => {
      const tenant = await deleteToken(tx, reach, id)
      if (tenant === undefined) return false
      await recordChange(tx, actor, { action: 'portal_token.revoked', subjectId: id, tenant })
      await notifyKeys(tx, `token ${id}`)
      return true
    })
    if (revoked) await changed?.({ kind: 'token', id })
    return revoked
  }

  /** Who a caller is, and what they may do. */
  async describe({ actor, scope, reach, expiresAt }: Caller): Promise<MeAnswer> {
    const isToken = actor.kind === 'portal_token'
    const { database } = this.#deps
    const views = isToken ? await readViews(database, Number(actor.id)) : undefined
    const look = isToken && reach.tenant !== null ? await portalLookOf(database, reach.tenant) : null
    return {
      actor: { ...actor },
      scope,
      tenant: reach.tenant,
      expires_at: expiresAt === null ? null : new Date(expiresAt).toISOString(),
      ...(isToken && {
        views: views === undefined || views === null ? null : [...views],
        portal: { name: look?.name ?? null, accent: look?.accent ?? null, logo: look?.logo ?? null },
      }),
    }
  }

  /** Removes those that have expired. To be called from time to time. */
  async removeExpired(signal: AbortSignal): Promise<void> {
    const most = 1000
    while (!signal.aborted && (await deleteExpired(this.#deps.database, most)) === most);
  }
}
