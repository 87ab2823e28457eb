import type { HeaderFields } from '../model/exchange-details.ts'
import type { Uuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'

/** A refused request, as it is kept. */
export interface RefusalRow {
  readonly id: Uuid
  readonly reason: string
  readonly method: string
  readonly query: string | null
  readonly headers: HeaderFields
  readonly body: Buffer
  readonly body_bytes: number
}

/** A refused request, and the id of what it came to. */
export type RefusalOf = RefusalRow & { readonly of: number }

/** What requests are refused by, the table that keeps those of it, and the column that says of which one a request is. */
const tables = {
  sources: { table: 'source_refusals', column: 'source' },
  subscriptions: { table: 'inbound_refusals', column: 'subscription' },
} as const
export type RefusedBy = keyof typeof tables

/** Keeps refused requests, and of those before them as many as fit. Those of a source or subscription that is gone are left out. */
export async function keepRefusals(
  tx: Queryable,
  by: RefusedBy,
  refusals: readonly RefusalOf[],
  { requestsMax, bytesMax }: { readonly requestsMax: number; readonly bytesMax: number },
): Promise<void> {
  const { table, column } = tables[by]
  for (const { id, of, reason, method, query, headers, body, body_bytes: bytes } of refusals) {
    await tx.query({
      text: `insert into ${table} (id, ${column}, reason, method, query, headers, body, body_bytes)
             select $1, $2, $3, $4, $5, $6, $7, $8 where exists (select from ${by} where id = $2)`,
      values: [id, of, reason, method, query, JSON.stringify(headers), body, bytes],
    })
  }
  await tx.query({
    text: `
      delete from ${table} where id = any(array(
        select id from (
          select id, row_number() over newest as place,
                 sum(octet_length(body) + octet_length(headers::text) + coalesce(octet_length(query), 0)) over newest as bytes
          from ${table} where ${column} = any($1::int[])
          window newest as (partition by ${column} order by id desc)) kept
        where place > $2 or (bytes > $3 and place > 1)))`,
    values: [[...new Set(refusals.map(({ of }) => of))], requestsMax, bytesMax],
  })
}

/** Newest first, from below `before`. */
export async function listRefusals(
  db: Queryable,
  by: RefusedBy,
  of: number,
  before: Uuid,
  limit: number,
): Promise<readonly RefusalRow[]> {
  const { table, column } = tables[by]
  const { rows } = await db.query<RefusalRow>({
    text: `select id, reason, method, query, headers, body, body_bytes
           from ${table} where ${column} = $1 and id < $2 order by id desc limit $3`,
    values: [of, before, limit],
  })
  return rows
}

/** Removes up to `limit` refused requests from before this id. @returns how many */
export async function deleteOldRefusals(
  db: Queryable,
  by: RefusedBy,
  before: Uuid,
  limit: number,
): Promise<number> {
  const { table } = tables[by]
  const { rowCount } = await db.query({
    text: `delete from ${table} where id = any(array(select id from ${table} where id < $1 order by id limit $2))`,
    values: [before, limit],
  })
  return rowCount
}
