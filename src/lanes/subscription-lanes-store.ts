import { pauseNotice } from '../model/pause.ts'
import type { Queryable } from '../platform/postgres.ts'

export async function insertLane(tx: Queryable, subscriptionId: number, held: boolean): Promise<void> {
  await tx.query({
    text: 'insert into lanes (subscription_id, held) values ($1, $2)',
    values: [subscriptionId, held],
  })
}

/** A held lane is not leased; who has leased it hears of the subscription's change, and gives it back. */
export async function holdLane(tx: Queryable, subscriptionId: number): Promise<void> {
  await tx.query({
    text: 'update lanes set held = true where subscription_id = $1 and not held',
    values: [subscriptionId],
  })
}

/** Lets a lane be leased again, now or when it opens; whether it owes anything is found out then. */
export async function unholdLane(tx: Queryable, subscriptionId: number): Promise<void> {
  await tx.query({
    text: `update lanes set held = false, due_at = least(due_at, greatest(now(), open_until))
           where subscription_id = $1`,
    values: [subscriptionId],
  })
}

/** Lets a lane be leased at once, and tells all processes that its pause is over. */
export async function openLane(tx: Queryable, subscriptionId: number): Promise<void> {
  await tx.query({
    text: `
      with opened as (
        update lanes set held = false, open_until = null, due_at = least(due_at, now()) where subscription_id = $1)
      select pg_notify('${pauseNotice.channel}', $1 || ' 0 resumed')`,
    values: [subscriptionId],
  })
}

/** Until when lanes are closed, in Unix milliseconds; 0: nobody has closed them since they were opened. */
export async function readOpenUntil(
  db: Queryable,
  subscriptionIds: readonly number[],
): Promise<ReadonlyMap<number, number>> {
  const { rows } = await db.query<{ id: number; ms: number }>({
    text: `
      select subscription_id as id, coalesce(extract(epoch from open_until) * 1000, 0)::float8 as ms
      from lanes where subscription_id = any($1)`,
    values: [[...subscriptionIds]],
  })
  return new Map(rows.map(({ id, ms }) => [id, ms]))
}
