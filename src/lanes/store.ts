import { type LanePause, pauseNotice } from '../model/pause.ts'
import { int2Array, int4Array, textArray, timestamptzArray, uuidArray } from '../platform/binary-array.ts'
import type { Uuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'
import { uuidV7Now } from '../platform/sql.ts'

/** An owed row as a lane's reader sees it: what is needed to queue it, not its payload. */
export interface DueRow {
  readonly webhookId: Uuid
  readonly subscriptionId: number
  readonly attempt: number
  readonly sizeBytes: number
  /** Unix milliseconds. */
  readonly dueAt: number
  readonly replayFrom: number | null
  readonly replayedAt: number | null
}

/** Where the reading of a lane goes on: after this row, in order of (due time, id). */
export interface LanePosition {
  readonly dueAt: number
  readonly webhookId: Uuid
}

/** A lane that was free, and is leased now. */
export interface LeasedLane {
  readonly subscriptionId: number
  /** Since when it was due (Unix milliseconds). */
  readonly dueAt: number
}

/**
 * Leases up to `limit` lanes that have something due. `due_at` becomes infinity, so that a time lowered by an
 * inserter from now on is told apart from the one that is being worked on.
 *
 * The index lanes_due holds only free lanes, so the cost is that of the lanes taken, whatever is owed elsewhere.
 */
export async function leaseLanes(
  db: Queryable,
  owner: number,
  now: number,
  limit: number,
): Promise<readonly LeasedLane[]> {
  const { rows } = await db.query<LeasedLane>({
    name: 'lease_lanes',
    text: `
      with free as (
        select subscription_id, due_at from lanes
        where owner is null and not held and due_at is not null and due_at <= ($2::timestamptz[])[1]
          and (open_until is null or open_until <= ($2::timestamptz[])[1])
        order by due_at limit $3 for no key update skip locked)
      update lanes l set owner = $1, due_at = 'infinity' from free
      where l.subscription_id = free.subscription_id
      returning l.subscription_id as "subscriptionId", (extract(epoch from free.due_at) * 1000)::float8 as "dueAt"`,
    values: [owner, timestamptzArray([now]), limit],
  })
  return rows
}

/**
 * Reads the due rows of several leased lanes at once, each from its own position on: no write, no lock.
 * One index range per lane (LATERAL), so a lane with a million rows costs the others nothing.
 */
export async function readDue(
  db: Queryable,
  lanes: readonly { readonly subscriptionId: number; readonly after: LanePosition; readonly limit: number }[],
  now: number,
): Promise<readonly DueRow[]> {
  const { rows } = await db.query<{
    webhook_id: Uuid
    subscription_id: number
    attempt: number
    size_bytes: number
    due_ms: number
    replay_from: number | null
    replayed_ms: number | null
  }>({
    name: 'read_due',
    text: `
      select o.webhook_id, o.subscription_id, o.attempt, o.size_bytes, o.replay_from,
             (extract(epoch from o.due_at) * 1000)::float8 as due_ms,
             (extract(epoch from o.replayed_at) * 1000)::float8 as replayed_ms
      from unnest($1::int[], $2::timestamptz[], $3::uuid[], $4::int[]) as l (id, after_at, after_id, n)
      cross join lateral (
        select * from owed
        where subscription_id + 0 = l.id and owner is null and due_at <= ($5::timestamptz[])[1]
          and (due_at, webhook_id) > (l.after_at, l.after_id)
        order by due_at, webhook_id limit l.n) o`,
    values: [
      int4Array(lanes.map(lane => lane.subscriptionId)),
      timestamptzArray(lanes.map(lane => lane.after.dueAt)),
      uuidArray(lanes.map(lane => lane.after.webhookId)),
      int4Array(lanes.map(lane => lane.limit)),
      timestamptzArray([now]),
    ],
  })
  return rows.map(row => ({
    webhookId: row.webhook_id,
    subscriptionId: row.subscription_id,
    attempt: row.attempt,
    sizeBytes: row.size_bytes,
    dueAt: row.due_ms,
    replayFrom: row.replay_from,
    replayedAt: row.replayed_ms,
  }))
}

/**
 * Gives lanes back, due when their next row is. LEAST: a time that an inserter lowered while the lane was leased is
 * re-read under the row lock and kept; taking the time from the sub-select alone would lose that wake-up.
 *
 * @param notBefore the lanes queue up from this time on (Unix milliseconds), though they owe something older
 * @param markOf nothing in the lane is due before this (`ReadFrom.of`): the next row is looked for from there
 */
export async function releaseLanes(
  db: Queryable,
  owner: number,
  subscriptionIds: readonly number[],
  notBefore: number | null = null,
  markOf: (subscriptionId: number) => number = () => 0,
): Promise<void> {
  await db.query({
    name: 'release_lanes',
    text: `
      update lanes l set owner = null,
        due_at = nullif(least(l.due_at, (
          select greatest(o.due_at, l.open_until, ($3::timestamptz[])[1]) from owed o
          where o.subscription_id + 0 = k.id and o.owner is null and o.due_at >= k.mark
          order by o.due_at limit 1)), 'infinity')
      from unnest($1::int[], $4::timestamptz[]) as k (id, mark)
      where l.subscription_id = any($1::int[]) and l.subscription_id = k.id and l.owner = $2`,
    values: [
      int4Array(subscriptionIds),
      owner,
      timestamptzArray([notBefore]),
      timestamptzArray(subscriptionIds.map(markOf)),
    ],
  })
}

/**
 * Makes those of the lanes due that owe something and do not know of it. One that is due keeps its place in the queue.
 *
 * @param markOf as for `releaseLanes`
 */
export async function wakeOwing(
  db: Queryable,
  subscriptionIds: readonly number[],
  markOf: (subscriptionId: number) => number = () => 0,
): Promise<void> {
  await db.query({
    name: 'wake_owing',
    text: `
      update lanes l set due_at = greatest(o.due_at, l.open_until)
      from unnest($1::int[], $2::timestamptz[]) as k (id, mark)
      cross join lateral (
        select due_at from owed where subscription_id + 0 = k.id and owner is null and due_at >= k.mark
        order by due_at limit 1) o
      where l.subscription_id = any($1::int[]) and l.subscription_id = k.id and l.owner is null
        and (l.due_at is null or l.due_at > greatest(o.due_at, l.open_until, now()))`,
    values: [int4Array(subscriptionIds), timestamptzArray(subscriptionIds.map(markOf))],
  })
}

/**
 * Leases up to `limit` lanes that have become due after `since`, the newest first: the other end of the index that
 * `leaseLanes` reads, so neither pays for what waits in between.
 */
export async function leaseNewLanes(
  db: Queryable,
  owner: number,
  since: number,
  now: number,
  limit: number,
): Promise<readonly LeasedLane[]> {
  const { rows } = await db.query<LeasedLane>({
    name: 'lease_new_lanes',
    text: `
      with free as (
        select subscription_id, due_at from lanes
        where owner is null and not held and due_at > ($2::timestamptz[])[1] and due_at <= ($3::timestamptz[])[1]
          and (open_until is null or open_until <= ($3::timestamptz[])[1])
        order by due_at desc limit $4 for no key update skip locked)
      update lanes l set owner = $1, due_at = 'infinity' from free
      where l.subscription_id = free.subscription_id
      returning l.subscription_id as "subscriptionId", (extract(epoch from free.due_at) * 1000)::float8 as "dueAt"`,
    values: [owner, timestamptzArray([since]), timestamptzArray([now]), limit],
  })
  return rows
}

/** All lanes that are leased to a process, as they are stored. */
export async function readLeased(db: Queryable, owner: number): Promise<readonly number[]> {
  const { rows } = await db.query<{ subscription_id: number }>({
    name: 'read_leased',
    text: 'select subscription_id from lanes where owner = $1',
    values: [owner],
  })
  return rows.map(row => row.subscription_id)
}

/**
 * Settles as cancelled what is owed to a subscription that no longer exists: up to `limit` rows.
 *
 * @returns how many there were
 */
export async function cancelOwed(
  db: Queryable,
  subscriptionId: number,
  reason: string,
  limit: number,
): Promise<number> {
  const { rowCount } = await db.query({
    name: 'cancel_owed',
    text: `
      with gone as (
        delete from owed where (webhook_id, subscription_id) in (
          select webhook_id, subscription_id from owed
          where subscription_id + 0 = $1 and owner is null order by due_at limit $3)
        returning webhook_id, subscription_id, attempt)
      insert into delivery_logs (id, subscription_id, webhook_id, "timestamp", attempt, status, verdict, error)
      select ${uuidV7Now}, subscription_id, webhook_id, now(), attempt, 'failed', 'cancelled', $2 from gone`,
    values: [subscriptionId, reason, limit],
  })
  return rowCount
}

/** Removes the lane of a deleted subscription once nothing is owed to it. */
export async function deleteLane(db: Queryable, subscriptionId: number): Promise<void> {
  await db.query({ text: 'delete from lanes where subscription_id = $1', values: [subscriptionId] })
}

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

/**
 * Closes lanes for a while, for all processes: nobody leases them before, and who holds one or sends past it hears of
 * it. One write, however many rows wait in the lane.
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
      from p where reason not in ('order', 'proxy')`,
    values: [
      int4Array(pauses.map(pause => pause.subscriptionId)),
      timestamptzArray(pauses.map(pause => pause.until)),
      textArray(pauses.map(pause => pause.reason)),
      textArray(pauses.map(pause => pause.head?.webhookId ?? null)),
      int2Array(pauses.map(pause => pause.head?.attempt ?? null)),
    ],
  })
}
