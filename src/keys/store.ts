import type { KeyScope, Reach } from '../model/caller.ts'
import type { Queryable } from '../platform/postgres.ts'

/** A key as it is checked. */
export interface KeyRow {
  readonly id: number
  readonly name: string
  /** SHA-256 of the key, in lower-case hex. */
  readonly hash: string
  readonly scope: KeyScope
  /** Null: of no tenant, so of all. */
  readonly tenant: string | null
  /** Null: never. */
  readonly expires_at: Date | null
  readonly last_used_at: Date | null
}

// The column holds a list of scopes, and every key has one.
const checked = `id, name, encode(hash, 'hex') as hash, scopes[1] as scope, tenant, expires_at, last_used_at`

/** All keys that have not expired. */
export async function readKeys(db: Queryable): Promise<readonly KeyRow[]> {
  const { rows } = await db.query<KeyRow>({
    text: `select ${checked} from api_keys where expires_at is null or expires_at > now()`,
  })
  return rows
}

export async function readKeyToCheck(db: Queryable, id: number): Promise<KeyRow | undefined> {
  const { rows } = await db.query<KeyRow>({
    text: `select ${checked} from api_keys where id = $1`,
    values: [id],
  })
  return rows[0]
}

/** @param hash SHA-256, in lower-case hex */
export async function readKeyByHash(db: Queryable, hash: string): Promise<KeyRow | undefined> {
  const { rows } = await db.query<KeyRow>({
    text: `select ${checked} from api_keys where hash = decode($1, 'hex')`,
    values: [hash],
  })
  return rows[0]
}

/** A key as people see it. */
export interface ShownKeyRow extends Omit<KeyRow, 'hash'> {
  readonly prefix: string
  readonly created_at: Date
}

const shown = 'id, name, prefix, scopes[1] as scope, tenant, created_at, expires_at, last_used_at'

export interface NewKey {
  readonly name: string
  readonly hash: Buffer
  readonly prefix: string
  readonly scope: KeyScope
  readonly tenant: string | null
  readonly expiresAt: Date | null
}

export async function insertKey(tx: Queryable, key: NewKey): Promise<ShownKeyRow> {
  const { rows } = await tx.query<ShownKeyRow>({
    text: `insert into api_keys (name, hash, prefix, scopes, tenant, expires_at)
           values ($1, $2, $3, array[$4], $5, $6) returning ${shown}`,
    values: [key.name, key.hash, key.prefix, key.scope, key.tenant, key.expiresAt],
  })
  const [row] = rows
  if (row === undefined) throw new Error('an insert answered no row')
  return row
}

export async function hasKeys(tx: Queryable): Promise<boolean> {
  const { rows } = await tx.query({ text: 'select from api_keys limit 1' })
  return rows.length > 0
}

export async function readKey(db: Queryable, reach: Reach, id: number): Promise<ShownKeyRow | undefined> {
  const { rows } = await db.query<ShownKeyRow>({
    text: `select ${shown} from api_keys where id = $1 and ($2::text is null or tenant = $2)`,
    values: [id, reach.tenant],
  })
  return rows[0]
}

/** Newest first, from below `before`. */
export async function listKeys(
  db: Queryable,
  reach: Reach,
  before: number,
  limit: number,
): Promise<readonly ShownKeyRow[]> {
  const { rows } = await db.query<ShownKeyRow>({
    text: `select ${shown} from api_keys where id < $1 and ($3::text is null or tenant = $3)
           order by id desc limit $2`,
    values: [before, limit, reach.tenant],
  })
  return rows
}

/** Locks all keys that may do everything, in order of id: of two that are deleted at a time the second sees the first. */
export async function lockAdminKeys(
  tx: Queryable,
): Promise<readonly { readonly id: number; readonly is_valid: boolean }[]> {
  const { rows } = await tx.query<{ id: number; is_valid: boolean }>({
    text: `select id, expires_at is null or expires_at > now() as is_valid from api_keys
           where scopes[1] = 'admin' order by id for update`,
  })
  return rows
}

/** Whether a key that is valid now may do everything. */
export async function hasAdminKey(db: Queryable): Promise<boolean> {
  const { rows } = await db.query<{ there: boolean }>({
    text: `select exists (select from api_keys
             where scopes[1] = 'admin' and (expires_at is null or expires_at > now())) as there`,
  })
  return rows[0]?.there === true
}

/** @returns whether there was one */
export async function deleteKey(tx: Queryable, reach: Reach, id: number): Promise<boolean> {
  const { rowCount } = await tx.query({
    text: 'delete from api_keys where id = $1 and ($2::text is null or tenant = $2)',
    values: [id, reach.tenant],
  })
  return rowCount === 1
}

/** Deletes all keys and tokens of a tenant. */
export async function deleteAccessOf(tx: Queryable, tenant: string): Promise<void> {
  await tx.query({ text: 'delete from api_keys where tenant = $1', values: [tenant] })
  await tx.query({ text: 'delete from portal_tokens where tenant = $1', values: [tenant] })
}

/** Tells every process, this one included, at commit. */
export async function notifyKeys(tx: Queryable, notice: string): Promise<void> {
  await tx.query({ text: `select pg_notify('keys', $1)`, values: [notice] })
}

/** When a key was used last (Unix milliseconds). */
export interface KeyUse {
  readonly id: number
  readonly at: number
}

/**
 * Writes when keys were used, unless another process has done so within the minute before. A row that is locked is left
 * out: its key is being deleted, or another process is writing the same.
 */
export async function writeUses(db: Queryable, uses: readonly KeyUse[]): Promise<void> {
  await db.query({
    text: `
      with used as (
        select k.id, u.at from unnest($1::int[], $2::timestamptz[]) as u (id, at) join api_keys k on k.id = u.id
        where k.last_used_at is null or k.last_used_at <= u.at - interval '1 minute'
        order by k.id for no key update of k skip locked)
      update api_keys k set last_used_at = used.at from used where k.id = used.id`,
    values: [uses.map(({ id }) => id), uses.map(({ at }) => new Date(at))],
  })
}
