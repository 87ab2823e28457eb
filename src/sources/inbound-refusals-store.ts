import type { Uuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'
import type { RefusalRow } from './store.ts'

/** A refused request, and the subscription that it came to. */
export type InboundRefusalRow = RefusalRow & { readonly subscription: number }

/** Keeps refused requests, and of those before them as many as fit. Those of a subscription that is gone are left out. */
export async function keepInboundRefusals(
  tx: Queryable,
  refusals: readonly InboundRefusalRow[],
  { requestsMax, bytesMax }: { readonly requestsMax: number; readonly bytesMax: number },
): Promise<void> {
  for (const { id, subscription, reason, method, query, headers, body, body_bytes: bytes } of refusals) {
    await tx.query({
      text: `insert into inbound_refusals (id, subscription, reason, method, query, headers, body, body_bytes)
             select $1, $2, $3, $4, $5, $6, $7, $8 where exists (select from subscriptions where id = $2)`,
      values: [id, subscription, reason, method, query, JSON.stringify(headers), body, bytes],
    })
  }
  await tx.query({
    text: `
      delete from inbound_refusals where id = any(array(
        select id from (
          select id, row_number() over newest as place,
                 sum(octet_length(body) + octet_length(headers::text) + coalesce(octet_length(query), 0)) over newest as bytes
          from inbound_refusals where subscription = any($1::int[])
          window newest as (partition by subscription order by id desc)) kept
        where place > $2 or (bytes > $3 and place > 1)))`,
    values: [[...new Set(refusals.map(({ subscription }) => subscription))], requestsMax, bytesMax],
  })
}

/** Newest first, from below `before`. */
export async function listInboundRefusals(
  db: Queryable,
  subscription: number,
  before: Uuid,
  limit: number,
): Promise<readonly RefusalRow[]> {
  const { rows } = await db.query<RefusalRow>({
    text: `select id, reason, method, query, headers, body, body_bytes
           from inbound_refusals where subscription = $1 and id < $2 order by id desc limit $3`,
    values: [subscription, before, limit],
  })
  return rows
}

/** Removes up to `limit` refused requests from before this id. @returns how many */
export async function deleteOldInboundRefusals(
  db: Queryable,
  before: string,
  limit: number,
): Promise<number> {
  const { rowCount } = await db.query({
    text: `delete from inbound_refusals where id = any(array(
             select id from inbound_refusals where id < $1 order by id limit $2))`,
    values: [before, limit],
  })
  return rowCount
}
