import { int4Array, timestamptzArray, uuidArray } from '../platform/binary-array.ts'
import type { Uuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'
import type { DeliveryContent } from './delivery.ts'

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
 * @param markOf nothing in the lane is due before this (`LaneMarks.of`): the next row is looked for from there
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

/** Makes a lane due at once, as after a change of its subscription. */
export async function wakeLane(db: Queryable, subscriptionId: number): Promise<void> {
  await db.query({
    text: 'update lanes set due_at = now() where subscription_id = $1',
    values: [subscriptionId],
  })
}

/** The contents of events by id, wherever they are kept. An id that is missing in the answer no longer exists. */
export async function readContents(
  db: Queryable,
  webhookIds: readonly Uuid[],
): Promise<ReadonlyMap<Uuid, DeliveryContent>> {
  // LATERAL with a limit keeps the planner at one index probe per id; each probe touches one partition only.
  const { rows } = await db.query<{
    webhook_id: Uuid
    event_type: string | null
    content_type: string
    payload: Buffer
    metadata: { readonly hops?: number } | null
  }>({
    name: 'read_contents',
    text: `
      select e.* from unnest($1::uuid[]) as k (id)
      cross join lateral (
        (select webhook_id, event_type, content_type, payload, metadata from events where webhook_id = k.id limit 1)
        union all
        (select webhook_id, event_type, content_type, payload, metadata from events_carried
          where webhook_id = k.id limit 1)
        limit 1) e`,
    values: [uuidArray(webhookIds)],
  })
  return new Map(
    rows.map(row => [
      row.webhook_id,
      {
        eventType: row.event_type,
        contentType: row.content_type,
        payload: row.payload,
        hops: row.metadata?.hops ?? 0,
      },
    ]),
  )
}

/**
 * Frees the born-leased rows of deliveries that are handed back all at once at shutdown.
 * The rest of what `owner` holds goes the same way when its process row is removed.
 */
export async function retire(db: Queryable, owner: number): Promise<void> {
  await freeHoldings(db, owner)
  await db.query({ text: 'delete from processes where id = $1', values: [owner] })
}

/**
 * Puts everything a process held back into lanes, due now, whenever it was due before: behind what other processes
 * remember of these lanes (`LaneMarks`) nobody looks until a minute is over. @returns how many owed rows there were
 */
export async function freeHoldings(db: Queryable, owner: number): Promise<number> {
  // No index on owner: it would cost every happy delivery a write. This scan is paid once per dead process.
  const { rows } = await db.query<{ rows: number }>({
    text: `
      with freed as (
        update owed set owner = null, due_at = now() where owner = $1 returning subscription_id),
      locked as (
        -- All at once and in order of id, so that two processes never wait for each other in a circle.
        select subscription_id from lanes
        where owner = $1 or subscription_id in (select subscription_id from freed)
        order by subscription_id for no key update),
      woken as (
        update lanes l set due_at = now(), owner = nullif(l.owner, $1) from locked k
        where l.subscription_id = k.subscription_id)
      select count(*)::int as rows from freed`,
    values: [owner],
  })
  return rows[0]?.rows ?? 0
}

/** Owners of owed rows or lanes that are no process any more: what a late commit of a dead process left behind. */
export async function findOrphanedOwners(db: Queryable): Promise<readonly number[]> {
  const { rows } = await db.query<{ owner: number }>({
    text: `
      select distinct owner from (
        select owner from owed where owner is not null union select owner from lanes where owner is not null) held
      where not exists (select from processes p where p.id = held.owner)`,
  })
  return rows.map(row => row.owner)
}

/**
 * The safety net under the lanes: every subscription with owed rows in no one's hands has a lane, and the lane knows
 * of them; a lane that is due keeps its place in the queue. A loose index scan, one probe per subscription that owes
 * something.
 *
 * @returns how many lanes were wrong
 */
export async function repairLanes(db: Queryable): Promise<number> {
  const { rowCount } = await db.query({
    text: `
      with recursive owing as (
        (select subscription_id, due_at from owed where owner is null order by subscription_id + 0, due_at limit 1)
        union all
        select n.subscription_id, n.due_at from owing o
        cross join lateral (
          select subscription_id, due_at from owed
          where owner is null and subscription_id + 0 > o.subscription_id
          order by subscription_id + 0, due_at limit 1) n)
      insert into lanes as l (subscription_id, due_at)
      select subscription_id, due_at from owing
      where not exists (
        select from lanes x where x.subscription_id = owing.subscription_id
          and (x.owner is not null or x.due_at <= greatest(owing.due_at, now())))
      on conflict (subscription_id) do update set due_at = least(l.due_at, excluded.due_at)
      where l.owner is null and (l.due_at is null or l.due_at > greatest(excluded.due_at, now()))`,
  })
  return rowCount
}
