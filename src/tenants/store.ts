import type { Metadata } from '../http/metadata.ts'
import type { Reach } from '../model/caller.ts'
import type { Queryable } from '../platform/postgres.ts'
import type { OwnershipCheck } from './ownership-check.ts'
import type { PortalLook } from './portal-look.ts'
import type { TenantRetention } from './schema.ts'

export interface TenantRow {
  readonly id: string
  readonly name: string
  readonly metadata: Metadata
  /** Without what is as for all; null: all is. */
  readonly retention: TenantRetention | null
  /** How receivers of its subscriptions are asked; null: as the setting says. */
  readonly ownership_check: OwnershipCheck | null
  /** How its own page looks, without what is as for all; null: all is. In a list without its picture. */
  readonly portal: PortalLook | null
  readonly created_at: Date
  readonly updated_at: Date
  /** Its place in the order in which tenants were made. */
  readonly serial: number
}

const listed = 'id, name, metadata, retention, ownership_check, created_at, updated_at, serial'
const columns = `${listed}, portal`

/** What people set of a tenant. */
export type TenantValues = Pick<
  TenantRow,
  'id' | 'name' | 'metadata' | 'retention' | 'ownership_check' | 'portal'
>

/** @returns undefined when the id is taken, by a tenant or by what is left of one */
export async function insertTenant(tx: Queryable, values: TenantValues): Promise<TenantRow | undefined> {
  const { rows } = await tx.query<TenantRow>({
    text: `insert into tenants (id, name, metadata, retention, ownership_check, portal) values ($1, $2, $3, $4, $5, $6)
           on conflict (id) do nothing returning ${columns}`,
    values: parametersOf(values),
  })
  return rows[0]
}

export async function readTenant(db: Queryable, reach: Reach, id: string): Promise<TenantRow | undefined> {
  const { rows } = await db.query<TenantRow>({
    text: `select ${columns} from tenants
           where id = $1 and deleted_at is null and ($2::text is null or id = $2)`,
    values: [id, reach.tenant],
  })
  return rows[0]
}

/** Locks the row until the end of the transaction, so that of two changes at a time the second sees the first. */
export async function lockTenantRow(tx: Queryable, id: string): Promise<TenantRow | undefined> {
  const { rows } = await tx.query<TenantRow>({
    text: `select ${columns} from tenants where id = $1 and deleted_at is null for no key update`,
    values: [id],
  })
  return rows[0]
}

/** Keeps a tenant from being deleted until the end of the transaction. @returns whether there is such a tenant */
export async function keepTenant(tx: Queryable, id: string): Promise<boolean> {
  const { rows } = await tx.query({
    text: 'select from tenants where id = $1 and deleted_at is null for share',
    values: [id],
  })
  return rows.length === 1
}

/**
 * Newest first, from below `before`.
 *
 * @param q only those with this text in their id or name, whatever its case; null: all
 */
export async function listTenants(
  db: Queryable,
  reach: Reach,
  { before, limit, q }: { readonly before: number; readonly limit: number; readonly q: string | null },
): Promise<readonly TenantRow[]> {
  const { rows } = await db.query<TenantRow>({
    text: `select ${listed}, portal - 'logo' as portal from tenants
           where serial < $1 and deleted_at is null and ($3::text is null or id = $3)
             and ($4::text is null or position(lower($4) in id) > 0 or position(lower($4) in lower(name)) > 0)
           order by serial desc limit $2`,
    values: [before, limit, reach.tenant, q],
  })
  return rows
}

export async function updateTenant(tx: Queryable, values: TenantValues): Promise<TenantRow | undefined> {
  const { rows } = await tx.query<TenantRow>({
    text: `update tenants set name = $2, metadata = $3, retention = $4, ownership_check = $5, portal = $6, updated_at = now()
           where id = $1 returning ${columns}`,
    values: parametersOf(values),
  })
  return rows[0]
}

function parametersOf({ id, name, metadata, retention, ownership_check, portal }: TenantValues): unknown[] {
  const json = (value: object | null) => value && JSON.stringify(value)
  return [id, name, json(metadata), json(retention), ownership_check, json(portal)]
}

/** How the page of a tenant looks where that is not as for all. */
export async function readPortal(db: Queryable, id: string): Promise<PortalLook | null> {
  const { rows } = await db.query<{ portal: PortalLook | null }>({
    text: 'select portal from tenants where id = $1',
    values: [id],
  })
  return rows[0]?.portal ?? null
}

/** From now on it is no tenant any more. */
export async function markDeleted(tx: Queryable, id: string): Promise<void> {
  await tx.query({
    text: 'update tenants set deleted_at = now() where id = $1 and deleted_at is null',
    values: [id],
  })
}

/** Tells every process, this one included, at commit. */
export async function notifyTenant(tx: Queryable, id: string): Promise<void> {
  await tx.query({ text: `select pg_notify('tenants', $1)`, values: [id] })
}

/** What every process knows of a tenant. */
export interface TenantState {
  readonly id: string
  readonly deleted: boolean
  readonly emptied: boolean
  /** As `TenantRow` has it. */
  readonly retention: TenantRetention | null
}

const state = 'id, deleted_at is not null as deleted, emptied_at is not null as emptied, retention'

export async function readTenantState(db: Queryable, id: string): Promise<TenantState | undefined> {
  const { rows } = await db.query<TenantState>({
    text: `select ${state} from tenants where id = $1`,
    values: [id],
  })
  return rows[0]
}

/** Oldest first, from above `after`; used to read all of them, a page at a time. */
export async function scanTenantStates(
  db: Queryable,
  after: number,
  limit: number,
): Promise<readonly (TenantState & { readonly serial: number })[]> {
  const { rows } = await db.query<TenantState & { serial: number }>({
    text: `select ${state}, serial from tenants where serial > $1 order by serial limit $2`,
    values: [after, limit],
  })
  return rows
}

/** From now on nothing is left of a deleted tenant but what the log names. */
export async function markEmptied(db: Queryable, id: string): Promise<void> {
  await db.query({
    text: `with emptied as (
             update tenants set emptied_at = now() where id = $1 and emptied_at is null returning id)
           select pg_notify('tenants', id) from emptied`,
    values: [id],
  })
}

/** Those of the deleted tenants that were emptied before a moment (Unix milliseconds): their ids. */
export async function readEmptiedBefore(db: Queryable, moment: number): Promise<readonly string[]> {
  const { rows } = await db.query<{ id: string }>({
    text: 'select id from tenants where emptied_at < $1 order by serial',
    values: [new Date(moment)],
  })
  return rows.map(({ id }) => id)
}

/** Frees the id of a deleted tenant. */
export async function removeTenant(db: Queryable, id: string): Promise<void> {
  await db.query({
    text: `with gone as (delete from tenants where id = $1 and emptied_at is not null returning id)
           select pg_notify('tenants', id) from gone`,
    values: [id],
  })
}

/** A tenant whose things are not kept as long as those of all, or were not before it was deleted. */
export interface RetentionRow {
  readonly id: string
  readonly retention: TenantRetention
  readonly is_deleted: boolean
  readonly details_removed_before: Date | null
}

/** All of them, in the order in which they were made. */
export async function readRetentions(db: Queryable): Promise<readonly RetentionRow[]> {
  const { rows } = await db.query<RetentionRow>({
    text: `select id, retention, deleted_at is not null as is_deleted, details_removed_before
           from tenants where retention is not null order by serial`,
  })
  return rows
}

export async function markDetailsRemoved(db: Queryable, id: string, before: number): Promise<void> {
  await db.query({
    text: `update tenants set details_removed_before = $2 where id = $1`,
    values: [id, new Date(before)],
  })
}

export async function readOwnershipCheck(db: Queryable, tenant: string): Promise<OwnershipCheck | null> {
  const { rows } = await db.query<{ ownership_check: OwnershipCheck | null }>({
    text: 'select ownership_check from tenants where id = $1',
    values: [tenant],
  })
  return rows[0]?.ownership_check ?? null
}

/** A bucket that fills by one each `everySeconds`, and is full after `fullSeconds`. @returns whether there was one in it */
export async function takeCheck(
  db: Queryable,
  tenant: string,
  everySeconds: number,
  fullSeconds: number,
): Promise<boolean> {
  const { rowCount } = await db.query({
    text: `
      update tenants set checks_full_at = greatest(coalesce(checks_full_at, now()), now()) + make_interval(secs => $2)
      where id = $1 and greatest(coalesce(checks_full_at, now()), now()) + make_interval(secs => $2)
        <= now() + make_interval(secs => $3)`,
    values: [tenant, everySeconds, fullSeconds],
  })
  return rowCount > 0
}
