import { int4Array, timestamptzArray } from '../platform/binary-array.ts'
import type { Queryable } from '../platform/postgres.ts'

/** When a rate limit will have everything again, in Unix milliseconds. */
export interface Pace {
  readonly subscriptionId: number
  /** Infinity: not known, as the process that knew it died. Null: it has never been used. */
  readonly fullAt: number | null
}

/** Reads what the last holder of the lanes has left of their rates. Until `keepPaces` nobody else knows it any more. */
export async function takePaces(
  db: Queryable,
  owner: number,
  subscriptionIds: readonly number[],
): Promise<readonly Pace[]> {
  const { rows } = await db.query<{ subscription_id: number; full_ms: number | null }>({
    name: 'take_paces',
    text: `
      with before as (
        select subscription_id, full_at from lanes where subscription_id = any($1::int[]) and owner = $2
        order by subscription_id for no key update)
      update lanes l set full_at = 'infinity' from before
      where l.subscription_id = before.subscription_id
      returning l.subscription_id, (extract(epoch from before.full_at) * 1000)::float8 as full_ms`,
    values: [int4Array(subscriptionIds), owner],
  })
  return rows.map(row => ({ subscriptionId: row.subscription_id, fullAt: row.full_ms }))
}

/** Leaves to the next holder of the lanes what is left of their rates; in order of id, as all who lock several lanes do. */
export async function keepPaces(db: Queryable, owner: number, paces: readonly Pace[]): Promise<void> {
  await db.query({
    name: 'keep_paces',
    text: `
      with kept as (
        select l.subscription_id, p.full_at
        from unnest($1::int[], $2::timestamptz[]) as p (id, full_at)
        join lanes l on l.subscription_id = p.id and l.owner = $3
        where l.subscription_id = any($1::int[])
        order by l.subscription_id for no key update of l)
      update lanes l set full_at = kept.full_at from kept where l.subscription_id = kept.subscription_id`,
    values: [
      int4Array(paces.map(pace => pace.subscriptionId)),
      timestamptzArray(paces.map(pace => pace.fullAt)),
      owner,
    ],
  })
}
