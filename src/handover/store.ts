import { wakeLanes } from '../lanes/wake.ts'
import { int4Array, timestamptzArray, uuidArray } from '../platform/binary-array.ts'
import type { Uuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'

/** An owed row by its key. */
export interface OwedKey {
  readonly webhookId: Uuid
  readonly subscriptionId: number
}

/**
 * The rows born leased to `owner` whose events came within a stretch of time: `from` (included) to `to` (not), both ids.
 * A range of the primary key, so it costs what came in that time, whatever is owed besides.
 */
export async function readLeased(
  db: Queryable,
  owner: number,
  from: Uuid,
  to: Uuid,
  limit: number,
): Promise<readonly OwedKey[]> {
  const { rows } = await db.query<{ webhook_id: Uuid; subscription_id: number }>({
    name: 'read_leased',
    text: `
      select webhook_id, subscription_id from owed
      where webhook_id >= ($1::uuid[])[1] and webhook_id < ($2::uuid[])[1] and owner = $3 and attempt = 1
      order by webhook_id limit $4`,
    values: [uuidArray([from]), uuidArray([to]), owner, limit],
  })
  return rows.map(row => ({ webhookId: row.webhook_id, subscriptionId: row.subscription_id }))
}

/**
 * Puts rows that are leased to `owner` into their lanes, due now.
 *
 * @param now Unix milliseconds
 * @returns how many there were
 */
export async function freeLeased(
  db: Queryable,
  owner: number,
  keys: readonly OwedKey[],
  now: number,
): Promise<number> {
  const { rows } = await db.query<{ rows: number }>({
    name: 'free_leased',
    text: `
      with freed as (
        update owed o set owner = null, due_at = ($3::timestamptz[])[1]
        from unnest($1::uuid[], $2::int[]) as k (webhook, sub)
        where o.webhook_id = any($1::uuid[]) -- to its key only, whatever the statistics say
          and o.webhook_id = k.webhook and o.subscription_id = k.sub and o.owner = $4
        returning o.subscription_id, o.due_at),
      ${wakeLanes('freed')}
      select count(*)::int as rows from freed`,
    values: [
      uuidArray(keys.map(key => key.webhookId)),
      int4Array(keys.map(key => key.subscriptionId)),
      timestamptzArray([now]),
      owner,
    ],
  })
  return rows[0]?.rows ?? 0
}

/**
 * Puts rows that may have been committed under `owner`, though this process does not hold them, into their lanes.
 * Used after a commit whose answer was lost. Idempotent.
 *
 * @returns how many there were
 */
export async function releaseUnsure(
  db: Queryable,
  owner: number,
  webhookIds: readonly Uuid[],
  now: number,
): Promise<number> {
  const { rows } = await db.query<{ rows: number }>({
    name: 'release_unsure',
    text: `
      with freed as (
        update owed set owner = null, due_at = ($3::timestamptz[])[1]
        where webhook_id = any($1::uuid[]) and owner = $2 returning subscription_id, due_at),
      ${wakeLanes('freed')}
      select count(*)::int as rows from freed`,
    values: [uuidArray(webhookIds), owner, timestamptzArray([now])],
  })
  return rows[0]?.rows ?? 0
}
