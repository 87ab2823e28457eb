import type { Queryable } from '../platform/postgres.ts'

/**
 * The keys that may do everything, as this version knows no other kind: their hashes as lower-case hex, and when each
 * expires (Unix milliseconds; infinity: never). A newer version beside this one may have made keys that may do less.
 */
export async function readKeys(database: Queryable): Promise<ReadonlyMap<string, number>> {
  const { rows } = await database.query<{ hash: string; expires_ms: number }>({
    text: `select encode(hash, 'hex') as hash,
                  (extract(epoch from coalesce(expires_at, 'infinity')) * 1000)::float8 as expires_ms
           from api_keys where 'admin' = any(scopes)`,
  })
  return new Map(rows.map(row => [row.hash, row.expires_ms]))
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
