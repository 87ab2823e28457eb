import { recordChange } from '../audit/audit.ts'
import { differences, type Fields } from '../audit/changes.ts'
import { AppError, validationFailed } from '../errors.ts'
import { mergedMetadata, metadataFaults } from '../http/metadata.ts'
import { type Caller, defaultTenant, type Reach } from '../model/caller.ts'
import type { Database, Queryable } from '../platform/postgres.ts'
import { mergedPortal, type PortalLook, portalAnswer, portalFaults, portalSummary } from './portal-look.ts'
import { mergedRetention, retentionAnswer, retentionFaults } from './retention.ts'
import type { TenantAnswer, TenantCreate, TenantPatch, TenantRetention } from './schema.ts'
import {
  insertTenant,
  keepTenant,
  listTenants,
  lockTenantRow,
  markDeleted,
  notifyTenant,
  readPortal,
  readTenant,
  readTenantState,
  scanTenantStates,
  type TenantRow,
  type TenantState,
  updateTenant,
} from './store.ts'

/** The notice that a tenant was made, deleted, emptied, or that its id is free again: its id. */
export const tenantNotice = { channel: 'tenants', parse: (text: string) => text } as const

export interface TenantsDeps {
  readonly database: Database
  /** Takes away all access to what a tenant has, in the transaction that deletes it. */
  readonly withdrawAccess: (tx: Queryable, tenant: string) => Promise<void>
  /** Told after that transaction, so that this process refuses at once what was taken away. */
  readonly withdrawn?: (tenant: string) => Promise<void>
}

/** These are part of the service. */
const lasting: readonly string[] = [defaultTenant, 'system']
/** Rows read at a time, of all. */
const pageRows = 10_000
const serialMax = 2 ** 31 - 1

/**
 * All tenants: their management, and which of them there are, in memory for the path of an event.
 *
 * The memory follows the table: `load` at the start and after the listening connection was lost, `refresh` at each notice
 * (`tenantNotice`). Readings take turns, so that what is read later is what counts.
 */
export class Tenants {
  readonly #database: Database
  readonly #withdrawAccess: TenantsDeps['withdrawAccess']
  readonly #withdrawn: TenantsDeps['withdrawn']
  #open = new Set<string>()
  /** Deleted ones whose rows are kept, and whether they are emptied. Nearly always there is none. */
  #deleted = new Map<string, boolean>()
  /** Those that keep something for another time than all do. */
  #retentions = new Map<string, TenantRetention>()
  #readings: Promise<unknown> = Promise.resolve()

  constructor(deps: TenantsDeps) {
    this.#database = deps.database
    this.#withdrawAccess = deps.withdrawAccess
    this.#withdrawn = deps.withdrawn
  }

  /** Reads the whole table. */
  load(): Promise<void> {
    return this.#inTurn(async () => {
      const [open, deleted] = [new Set<string>(), new Map<string, boolean>()]
      const retentions = new Map<string, TenantRetention>()
      for (let after = -1; ; ) {
        const rows = await scanTenantStates(this.#database, after, pageRows)
        for (const row of rows) {
          if (row.deleted) deleted.set(row.id, row.emptied)
          else open.add(row.id)
          if (!row.deleted && row.retention !== null) retentions.set(row.id, row.retention)
        }
        const last = rows.at(-1)
        if (last === undefined || rows.length < pageRows) break
        after = last.serial
      }
      this.#open = open
      this.#deleted = deleted
      this.#retentions = retentions
    })
  }

  /** Reads one row again, whether it was made, changed or removed elsewhere. */
  refresh(id: string): Promise<void> {
    return this.#inTurn(async () => this.#take(id, await readTenantState(this.#database, id)))
  }

  #take(id: string, state: TenantState | undefined): void {
    if (state === undefined || state.deleted) this.#open.delete(id)
    else this.#open.add(id)
    if (state?.deleted) this.#deleted.set(id, state.emptied)
    else this.#deleted.delete(id)
    if (state === undefined || state.deleted || state.retention === null) this.#retentions.delete(id)
    else this.#retentions.set(id, state.retention)
  }

  #inTurn(read: () => Promise<void>): Promise<void> {
    const reading = this.#readings.then(read)
    this.#readings = reading.catch(() => {})
    return reading
  }

  /**
   * Whether there is such a tenant. A promise only when the table has to be asked, since another process may just have
   * made it; it rejects with `database_unavailable` when that fails.
   */
  exists(id: string): boolean | Promise<boolean> {
    if (this.#open.has(id)) return true
    if (this.#deleted.has(id)) return false
    return this.refresh(id).then(() => this.#open.has(id))
  }

  /** Whether a tenant was deleted. For the path of an event: what it has may still be there, and takes nothing more. */
  isDeleted(id: string): boolean {
    return this.#deleted.size > 0 && this.#deleted.has(id)
  }

  /** What a tenant keeps for another time than all do; undefined: nothing. */
  retentionOf(id: string): TenantRetention | undefined {
    return this.#retentions.get(id)
  }

  /** Deleted ones of which something may be left that has to be removed. */
  get toEmpty(): readonly string[] {
    if (this.#deleted.size === 0) return []
    return [...this.#deleted].filter(([, emptied]) => !emptied).map(([id]) => id)
  }

  /** @throws AppError tenant_taken, validation_failed */
  async create({ actor }: Caller, body: TenantCreate): Promise<TenantAnswer> {
    const { id, name } = body
    const metadata = body.metadata ?? {}
    const retention = mergedRetention(null, body.retention)
    const portal = mergedPortal(null, body.portal)
    const faults = [...metadataFaults(metadata), ...retentionFaults(retention), ...portalFaults(portal)]
    if (faults.length > 0) throw validationFailed(faults)
    const row = await this.#database.transaction(async tx => {
      const check = body.ownership_check ?? null
      const made = await insertTenant(tx, { id, name, metadata, retention, ownership_check: check, portal })
      if (made === undefined) return undefined
      await recordChange(tx, actor, {
        ...{ action: 'tenant.created', subjectId: id, tenant: id },
        changes: differences(undefined, fieldsOf(made)),
      })
      await notifyTenant(tx, id)
      return made
    })
    if (row === undefined) throw await this.#taken(id)
    await this.refresh(id)
    return answer(row)
  }

  async #taken(id: string): Promise<AppError> {
    const state = await readTenantState(this.#database, id)
    return new AppError(
      'tenant_taken',
      state?.deleted
        ? `A tenant ${id} was deleted, and what is kept of it still names it. Its id is free when retention has removed that: events and log (LOG_RETENTION_HOURS), and the names of its events (IDEMPOTENCY_RETENTION_HOURS). Choose another id, or wait.`
        : `There is a tenant ${id} already. Choose another id, or change that one with PATCH /tenants/${id}.`,
    )
  }

  async read(reach: Reach, id: string): Promise<TenantAnswer | undefined> {
    const row = await readTenant(this.#database, reach, id)
    return row && answer(row)
  }

  /** Newest first; `before` is what `cursorOf` gives. @param q only those with this text in their id or name */
  async list(
    reach: Reach,
    page: { readonly limit: number; readonly before?: number | undefined; readonly q?: string | undefined },
  ): Promise<readonly TenantRow[]> {
    const { limit, before = serialMax, q = null } = page
    return listTenants(this.#database, reach, { before, limit, q })
  }

  /** Applies a JSON merge patch. @throws AppError validation_failed */
  async patch({ actor }: Caller, id: string, patch: TenantPatch): Promise<TenantAnswer | undefined> {
    const row = await this.#database.transaction(async tx => {
      const before = await lockTenantRow(tx, id)
      if (before === undefined) return undefined
      const { name = before.name, metadata = {} } = patch
      const merged = metadata === null ? {} : mergedMetadata(before.metadata, metadata)
      const retention = mergedRetention(before.retention, patch.retention)
      const portal = mergedPortal(before.portal, patch.portal)
      const faults = [...metadataFaults(merged), ...retentionFaults(retention), ...portalFaults(patch.portal)]
      if (faults.length > 0) throw validationFailed(faults)
      const check = patch.ownership_check === undefined ? before.ownership_check : patch.ownership_check
      const after = await updateTenant(tx, {
        ...{ id, name, metadata: merged, retention, portal },
        ownership_check: check,
      })
      await recordChange(tx, actor, {
        ...{ action: 'tenant.updated', subjectId: id, tenant: id },
        changes: differences(fieldsOf(before), after && fieldsOf(after)),
      })
      if (patch.retention !== undefined) await notifyTenant(tx, id)
      return after
    })
    if (row !== undefined && patch.retention !== undefined) await this.refresh(id)
    return row && answer(row)
  }

  /**
   * Deletes a tenant: from now on its keys are refused, and nothing is accepted for it. What it has is removed beside the
   * path (`TenantRemoval`).
   *
   * @returns whether there was one
   * @throws AppError tenant_stays for those that are part of the service
   */
  async remove({ actor }: Caller, id: string): Promise<boolean> {
    if (lasting.includes(id))
      throw new AppError(
        'tenant_stays',
        `The tenant ${id} is part of the service and stays. Delete its subscriptions one by one.`,
      )
    const removed = await this.#database.transaction(async tx => {
      const before = await lockTenantRow(tx, id)
      if (before === undefined) return false
      await markDeleted(tx, id)
      await recordChange(tx, actor, {
        ...{ action: 'tenant.deleted', subjectId: id, tenant: id },
        changes: differences(fieldsOf(before), undefined),
      })
      await this.#withdrawAccess(tx, id)
      await notifyTenant(tx, id)
      return true
    })
    if (removed) await Promise.all([this.refresh(id), this.#withdrawn?.(id)])
    return removed
  }
}

/** What the audit log says of a tenant. */
function fieldsOf({ name, metadata, retention, ownership_check, portal }: TenantRow): Fields {
  return { name, metadata, retention: retention ?? {}, ownership_check, portal: portalSummary(portal) }
}

/** A row as the API shows it. */
export function answer(row: TenantRow): TenantAnswer {
  return {
    id: row.id,
    name: row.name,
    metadata: row.metadata,
    retention: retentionAnswer(row.retention),
    ownership_check: row.ownership_check,
    portal: portalAnswer(row.portal),
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  }
}

/** The same in a list, where pictures would be most of it. */
export function listedAnswer(row: TenantRow): TenantAnswer {
  const { portal, ...rest } = answer(row)
  return { ...rest, portal: { name: portal.name, accent: portal.accent } }
}

/**
 * For whatever is made for a tenant: keeps it from being deleted until the end of the transaction.
 *
 * @param pointer of the field that names it
 * @throws AppError validation_failed when there is no such tenant
 */
export async function checkTenant(tx: Queryable, tenant: string, pointer = '/tenant'): Promise<void> {
  if (await keepTenant(tx, tenant)) return
  throw validationFailed([{ pointer, detail: `There is no tenant ${tenant}.` }])
}

/** How the page for the customers of a tenant looks where it has a look of its own; null: as for all. */
export function portalLookOf(db: Queryable, tenant: string): Promise<PortalLook | null> {
  return readPortal(db, tenant)
}
