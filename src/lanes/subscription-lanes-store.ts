import { type LanePause, pauseNotice } from '../model/pause.ts'
import { int2Array, int4Array, textArray, timestamptzArray } from '../platform/binary-array.ts'
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

/** The same for several, in order of id, as all who lock several lanes do. */
export async function holdLanes(db: Queryable, subscriptionIds: readonly number[]): Promise<void> {
  await db.query({
    text: `
      with locked as (
        select subscription_id from lanes where subscription_id = any($1::int[]) and not held
        order by subscription_id for no key update)
      update lanes l set held = true from locked k where l.subscription_id = k.subscription_id`,
    values: [int4Array(subscriptionIds)],
  })
}

/** Up to `limit` deleted subscriptions of a tenant that have a lane, in order of id, behind `after`. */
export async function readLanesLeftBy(
  db: Queryable,
  tenant: string,
  after: number,
  limit: number,
): Promise<readonly number[]> {
  const { rows } = await db.query<{ id: number }>({
    text: `select t.id from subscription_tombstones t
           where t.tenant = $1 and t.id > $2 and exists (select from lanes l where l.subscription_id = t.id)
           order by t.id limit $3`,
    values: [tenant, after, limit],
  })
  return rows.map(({ id }) => id)
}

/** Removes those of the lanes that nobody has leased and in which nothing waits; their subscriptions are gone. */
export async function deleteEmptyLanes(db: Queryable, subscriptionIds: readonly number[]): Promise<void> {
  await db.query({
    text: `
      with locked as (
        select l.subscription_id from lanes l
        where l.subscription_id = any($1::int[]) and l.owner is null
          and not exists (select from subscriptions s where s.id = l.subscription_id)
          and not exists (select from owed o where o.subscription_id + 0 = l.subscription_id and o.owner is null)
        order by l.subscription_id for update of l)
      delete from lanes l using locked k where l.subscription_id = k.subscription_id and l.owner is null`,
    values: [int4Array(subscriptionIds)],
  })
}

/**
 * Lets a lane be leased again, now or when it opens; whether it owes anything is found out then. While what waited in it is
 * being discarded it stays held until that has ended.
 */
export async function unholdLane(tx: Queryable, subscriptionId: number): Promise<void> {
  await tx.query({
    text: `update lanes set held = exists (select from lane_discards where subscription_id = $1),
             due_at = least(due_at, greatest(now(), open_until))
           where subscription_id = $1`,
    values: [subscriptionId],
  })
}

/** Lets a lane be leased at once, and tells all processes that its pause is over. Nothing more of it is discarded. */
export async function openLane(tx: Queryable, subscriptionId: number): Promise<void> {
  await tx.query({
    text: `
      with kept as (delete from lane_discards where subscription_id = $1),
      opened as (
        update lanes set held = false, open_until = null, due_at = least(due_at, now()) where subscription_id = $1)
      select pg_notify('${pauseNotice.channel}', $1 || ' 0 resumed')`,
    values: [subscriptionId],
  })
}

/**
 * Closes lanes for a while: no process leases them before. One write, however many rows wait in the lane. What the
 * receiver has asked for or brought about is told to all processes, as they may have deliveries of it in memory; that
 * the head of an ordered lane or something of our own is waited for is not.
 *
 * A pause with a head that others have settled meanwhile is left out. LATERAL with a limit keeps the planner at one
 * probe of the key per head, whatever it believes of the table: 40 pages for 20 heads beside 40,000 rows.
 */
export async function pauseLanes(db: Queryable, pauses: readonly LanePause[]): Promise<void> {
  await db.query({
    name: 'pause_lanes',
    text: `
      with p as (
        select id, until, reason
        from unnest($1::int[], $2::timestamptz[], $3::text[], ($4::text[])::uuid[], $5::int2[])
          as t (id, until, reason, head, attempt)
        left join lateral (
          select o.attempt as owed from owed o where o.webhook_id = t.head and o.subscription_id = t.id limit 1) h on true
        where head is null or owed = attempt),
      latest as (select id, max(until) as until from p group by id),
      locked as (
        select l.subscription_id, p.until from lanes l join latest p on p.id = l.subscription_id
        where l.subscription_id = any($1::int[])
        order by l.subscription_id for no key update of l),
      closed as (
        update lanes l set open_until = greatest(l.open_until, k.until),
          due_at = case when l.due_at is null then null else greatest(l.due_at, k.until) end
        from locked k where l.subscription_id = k.subscription_id)
      select pg_notify('${pauseNotice.channel}', id || ' ' || (extract(epoch from until) * 1000)::bigint || ' ' || reason)
      from p where reason not in ('order', 'ours')`,
    values: [
      int4Array(pauses.map(pause => pause.subscriptionId)),
      timestamptzArray(pauses.map(pause => pause.until)),
      textArray(pauses.map(pause => pause.reason)),
      textArray(pauses.map(pause => pause.head?.webhookId ?? null)),
      int2Array(pauses.map(pause => pause.head?.attempt ?? null)),
    ],
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
