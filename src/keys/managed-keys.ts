import { recordChange } from '../audit/audit.ts'
import { differences, secretDifferences } from '../audit/changes.ts'
import { AppError, validationFailed } from '../errors.ts'
import { parseFuture } from '../http/moment.ts'
import type { Caller, KeyScope, Reach } from '../model/caller.ts'
import type { Clock } from '../platform/clock.ts'
import type { Database, Queryable } from '../platform/postgres.ts'
import { checkTenant } from '../tenants/tenants.ts'
import type { KeysChange } from './keys.ts'
import type { KeyAnswer, KeyCreate, NewKeyAnswer } from './schema.ts'
import { newSecretText } from './secret-text.ts'
import {
  deleteKey,
  hasAdminKey,
  insertKey,
  listKeys,
  lockAdminKeys,
  notifyKeys,
  readKey,
  type ShownKeyRow,
} from './store.ts'

export interface ManagedKeysDeps {
  readonly database: Database
  readonly clock: Clock
  /** Brings the keys in memory up to date, so that a change holds here when its caller hears of it. */
  readonly changed?: (change: KeysChange) => Promise<void>
}

const idMax = 2 ** 31 - 1

/** The management of API keys. What checks them is `ApiKeys`. */
export class ManagedKeys {
  readonly #deps: ManagedKeysDeps

  constructor(deps: ManagedKeysDeps) {
    this.#deps = deps
  }

  /**
   * Makes a key that may do no more than its maker. Only this answer shows it.
   *
   * @throws AppError forbidden, validation_failed
   */
  async create(caller: Caller, body: KeyCreate): Promise<NewKeyAnswer> {
    const { database, clock, changed } = this.#deps
    const { name, scope } = body
    const tenant = tenantOfNewKey(caller, scope, body.tenant ?? null)
    const expiresAt =
      body.expires_at == null ? null : parseFuture(body.expires_at, '/expires_at', clock.now())
    checkEnd(caller, expiresAt)
    const { text, hash, prefix } = newSecretText('whk')
    const row = await database.transaction(async tx => {
      if (tenant !== null) await checkTenant(tx, tenant)
      const made = await insertKey(tx, {
        ...{ name, hash, prefix, scope, tenant },
        expiresAt: expiresAt === null ? null : new Date(expiresAt),
      })
      await recordChange(tx, caller.actor, {
        ...{ action: 'key.created', subjectId: made.id, tenant },
        changes: [
          ...differences(undefined, fieldsOf(made)),
          ...secretDifferences(undefined, { key: prefix }),
        ],
      })
      await notifyKeys(tx, `key ${made.id}`)
      return made
    })
    await changed?.({ kind: 'key', id: row.id })
    return { ...answer(row), key: text }
  }

  async read(reach: Reach, id: number): Promise<KeyAnswer | undefined> {
    const row = await readKey(this.#deps.database, reach, id)
    return row && answer(row)
  }

  /** Newest first; `before` is the id to begin below. */
  async list(
    reach: Reach,
    page: { readonly limit: number; readonly before?: number | undefined },
  ): Promise<readonly KeyAnswer[]> {
    const rows = await listKeys(this.#deps.database, reach, page.before ?? idMax, page.limit)
    return rows.map(answer)
  }

  /**
   * Revokes a key: it is refused from now on here, and by every other process as soon as it hears of it.
   *
   * @returns whether there was one
   * @throws AppError last_admin_key when nobody with a key could manage this service any more. Who needs no key (an
   *   operator where none are asked for, a command) may do that
   */
  async revoke(caller: Caller, id: number): Promise<boolean> {
    const { database, changed } = this.#deps
    const revoked = await database.transaction(async tx => {
      if (caller.actor.kind !== 'operator' && caller.scope === 'admin') await checkNotLast(tx, id)
      const before = await readKey(tx, caller.reach, id)
      if (before === undefined || !(await deleteKey(tx, caller.reach, id))) return false
      await recordChange(tx, caller.actor, {
        ...{ action: 'key.revoked', subjectId: id, tenant: before.tenant },
        changes: differences(fieldsOf(before), undefined),
      })
      await notifyKeys(tx, `key ${id}`)
      return true
    })
    if (revoked) await changed?.({ kind: 'key', id })
    return revoked
  }

  /** Whether somebody can still manage the service. */
  hasAdmin(): Promise<boolean> {
    return hasAdminKey(this.#deps.database)
  }
}

async function checkNotLast(tx: Queryable, id: number): Promise<void> {
  const admins = await lockAdminKeys(tx)
  if (!admins.some(key => key.id === id) || admins.some(key => key.id !== id && key.is_valid)) return
  throw new AppError(
    'last_admin_key',
    `Key ${id} is the last valid one with scope admin, and without one nobody can manage this service. Make another one first, then revoke this one with it.`,
  )
}

/** The tenant of a key that a caller makes. @throws AppError forbidden, validation_failed */
function tenantOfNewKey({ scope: own, reach }: Caller, scope: KeyScope, named: string | null): string | null {
  if (own !== 'admin' && scope === 'admin') {
    throw new AppError(
      'forbidden',
      `This key has the scope ${own}, and can make no key that may do more: give scope tenant, publish or read.`,
    )
  }
  const tenant = named ?? reach.tenant
  const fault =
    scope === 'admin' && tenant !== null
      ? 'A key with scope admin is for all tenants. Leave the tenant out, or give scope tenant.'
      : (scope === 'tenant' || scope === 'publish') && tenant === null
        ? `A key with scope ${scope} is for one tenant. Say for which.`
        : undefined
  if (fault !== undefined) throw validationFailed([{ pointer: '/tenant', detail: fault }])
  return tenant
}

/** A key that ends must not make one that goes on after it. */
function checkEnd({ expiresAt: end }: Caller, expiresAt: number | null): void {
  if (end === null || (expiresAt !== null && expiresAt <= end)) return
  const until = new Date(end).toISOString()
  throw validationFailed([
    {
      pointer: '/expires_at',
      detail: `The key that asks ends at ${until}, and a key made by it cannot be valid for longer. Give that time or an earlier one.`,
    },
  ])
}

/** What the audit log says of a key. */
function fieldsOf(row: ShownKeyRow): Readonly<Record<string, unknown>> {
  const { name, scope, tenant, prefix, expires_at } = answer(row)
  return { name, scope, tenant, prefix, expires_at }
}

function answer(row: ShownKeyRow): KeyAnswer {
  return {
    id: row.id,
    name: row.name,
    scope: row.scope,
    tenant: row.tenant,
    prefix: row.prefix,
    created_at: row.created_at.toISOString(),
    expires_at: row.expires_at?.toISOString() ?? null,
    last_used_at: row.last_used_at?.toISOString() ?? null,
  }
}
