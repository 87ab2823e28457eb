import type { KeyScope } from '../model/caller.ts'
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
}

/** All keys. The column holds a list of scopes, and every key has one. */
export async function readKeys(database: Queryable): Promise<readonly KeyRow[]> {
  const { rows } = await database.query<KeyRow>({
    text: `select id, name, encode(hash, 'hex') as hash, scopes[1] as scope, tenant, expires_at from api_keys`,
  })
  return rows
}

/** @returns whether it was inserted; not when there is a key already */
export async function insertFirstKey(
  tx: Queryable,
  key: { readonly name: string; readonly hash: Buffer; readonly prefix: string },
): Promise<boolean> {
  const { rowCount } = await tx.query({
    text: `insert into api_keys (name, hash, prefix)
           select $1, $2, $3 where not exists (select from api_keys)`,
    values: [key.name, key.hash, key.prefix],
  })
  return rowCount === 1
}
