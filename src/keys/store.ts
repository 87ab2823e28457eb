import type { Queryable } from '../platform/postgres.ts'

/** The hashes of all keys, as lower-case hex. */
export async function readHashes(database: Queryable): Promise<readonly string[]> {
  const { rows } = await database.query<{ hash: string }>({
    text: `select encode(hash, 'hex') as hash from api_keys`,
  })
  return rows.map(row => row.hash)
}

/** @returns whether it was inserted; not when there is a key already */
export async function insertFirstKey(tx: Queryable, name: string, hash: Buffer): Promise<boolean> {
  const { rowCount } = await tx.query({
    text: 'insert into api_keys (name, hash) select $1, $2 where not exists (select from api_keys)',
    values: [name, hash],
  })
  return rowCount === 1
}
