import type { AttemptTrigger } from '../model/delivery.ts'
import { int4Array, timestamptzArray, uuidArray } from '../platform/binary-array.ts'
import type { Uuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'
import { wakeForgottenLanes } from './wake.ts'

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
  /** Null: auto. */
  readonly trigger: AttemptTrigger | null
  /** Null: it is in no order. */
  readonly orderingKey: string | null
}

/** Where the reading of a lane goes on: after this row, in order of (due time, id). */
export interface LanePosition {
  readonly dueAt: number
  readonly webhookId: Uuid
}

/** A lane that is leased to this process. */
export interface Lease {
  readonly subscriptionId: number
  /** Since when it was due (Unix milliseconds); undefined when that was not heard. */
  readonly dueAt?: number
}

/** What a lease sets. A time that is lowered from now on is told apart from the one that is being worked on. */
const leased = `owner = $1, due_at = 'infinity'`

/**
 * Leases up to `limit` lanes that have something due, those that have waited longest first.
 *
 * The index lanes_due holds only free lanes, so the cost is that of the lanes taken, whatever is owed elsewhere.
 */
export async function leaseLanes(
  db: Queryable,
  owner: number,
  now: number,
  limit: number,
): Promise<readonly Lease[]> {
  const { rows } = await db.query<Lease>({
    name: 'lease_lanes',
    text: `
      with free as (
        select subscription_id, due_at from lanes
        where owner is null and not held and due_at is not null and due_at <= ($2::timestamptz[])[1]
          and (open_until is null or open_until <= ($2::timestamptz[])[1])
        order by due_at limit $3 for no key update skip locked)
      update lanes l set ${leased} from free
      where l.subscription_id = free.subscription_id
      returning l.subscription_id as "subscriptionId", (extract(epoch from free.due_at) * 1000)::float8 as "dueAt"`,
    values: [owner, timestamptzArray([now]), limit],
  })
  return rows
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
): Promise<readonly Lease[]> {
  const { rows } = await db.query<Lease>({
    name: 'lease_new_lanes',
    text: `
      with free as (
        select subscription_id, due_at from lanes
        where owner is null and not held and due_at > ($2::timestamptz[])[1] and due_at <= ($3::timestamptz[])[1]
          and (open_until is null or open_until <= ($3::timestamptz[])[1])
        order by due_at desc limit $4 for no key update skip locked)
      update lanes l set ${leased} from free
      where l.subscription_id = free.subscription_id
      returning l.subscription_id as "subscriptionId", (extract(epoch from free.due_at) * 1000)::float8 as "dueAt"`,
    values: [owner, timestamptzArray([since]), timestamptzArray([now]), limit],
  })
  return rows
}

/** All lanes that are leased to a process, as they are stored. */
export async function readLeased(db: Queryable, owner: number): Promise<readonly number[]> {
  const { rows } = await db.query<{ subscription_id: number }>({
    name: 'read_leased_lanes',
    text: 'select subscription_id from lanes where owner = $1',
    values: [owner],
  })
  return rows.map(row => row.subscription_id)
}

/** From where on a leased lane is read, and how many rows at most. */
export interface LaneRead {
  readonly subscriptionId: number
  readonly after: LanePosition
  readonly limit: number
}

/** A row of `owed` as the statements here return it. */
export interface StoredDueRow {
  readonly webhook_id: Uuid
  readonly subscription_id: number
  readonly attempt: number
  readonly size_bytes: number
  readonly due_ms: number
  readonly replay_from: number | null
  readonly replayed_ms: number | null
  readonly trigger: AttemptTrigger | null
  readonly ordering_key: string | null
}

// date_part, not extract, whose result is a numeric; rounded to the microseconds that are stored.
const ms = (column: string) => `round(date_part('epoch', ${column}) * 1000000) / 1000`

export const dueColumns = `o.webhook_id, o.subscription_id, o.attempt, o.size_bytes, o.replay_from,
             ${ms('o.due_at')} as due_ms, ${ms('o.replayed_at')} as replayed_ms, o.trigger, o.ordering_key`

/** The due rows `o` of lanes `l`, each lane from its own position on. */
export const dueOfLanes = {
  text: `unnest($1::int[], $2::timestamptz[], $3::uuid[], $4::int[]) as l (id, after_at, after_id, n)
      cross join lateral (
        select * from owed
        where subscription_id + 0 = l.id and owner is null and due_at <= ($5::timestamptz[])[1]
          and (due_at, webhook_id) > (l.after_at, l.after_id)
        order by due_at, webhook_id limit l.n) o`,
  values: (lanes: readonly LaneRead[], now: number): readonly unknown[] => [
    int4Array(lanes.map(lane => lane.subscriptionId)),
    timestamptzArray(lanes.map(lane => lane.after.dueAt)),
    uuidArray(lanes.map(lane => lane.after.webhookId)),
    int4Array(lanes.map(lane => lane.limit)),
    timestamptzArray([now]),
  ],
} as const

/**
 * Reads the due rows of several leased lanes at once, each from its own position on: no write, no lock.
 * One index range per lane (LATERAL), so a lane with a million rows costs the others nothing.
 */
export async function readDue(
  db: Queryable,
  lanes: readonly LaneRead[],
  now: number,
): Promise<readonly DueRow[]> {
  const { rows } = await db.query<StoredDueRow>({
    name: 'read_due',
    text: `select ${dueColumns} from ${dueOfLanes.text}`,
    values: dueOfLanes.values(lanes, now),
  })
  return rows.map(asDueRow)
}

export function asDueRow(row: StoredDueRow): DueRow {
  return {
    webhookId: row.webhook_id,
    subscriptionId: row.subscription_id,
    attempt: row.attempt,
    sizeBytes: row.size_bytes,
    dueAt: row.due_ms,
    replayFrom: row.replay_from,
    replayedAt: row.replayed_ms,
    trigger: row.trigger,
    orderingKey: row.ordering_key,
  }
}

/**
 * Gives lanes back, due when their next row is. LEAST: a time that an inserter lowered while the lane was leased is
 * re-read under the row lock and kept; taking the time from the sub-select alone would lose that wake-up.
 *
 * @param notBefore the lanes are due at this time at the soonest (Unix milliseconds), though they owe something older
 * @param sinceOf nothing in the lane is due before this (`ReadFrom.of`): the next row is looked for from there
 * @returns how many there were; fewer than were given when some are leased to others by now, and stay as they are
 */
export async function releaseLanes(
  db: Queryable,
  owner: number,
  subscriptionIds: readonly number[],
  notBefore: number | null = null,
  sinceOf: (subscriptionId: number) => number = () => 0,
): Promise<number> {
  const { rowCount } = await db.query({
    name: 'release_lanes',
    text: `
      update lanes l set owner = null,
        due_at = nullif(least(l.due_at, (
          select greatest(o.due_at, l.open_until, ($3::timestamptz[])[1]) from owed o
          where o.subscription_id + 0 = k.id and o.owner is null and o.due_at >= k.since
          order by o.due_at limit 1)), 'infinity')
      from unnest($1::int[], $4::timestamptz[]) as k (id, since)
      where l.subscription_id = any($1::int[]) and l.subscription_id = k.id and l.owner = $2`,
    values: [
      int4Array(subscriptionIds),
      owner,
      timestamptzArray([notBefore]),
      timestamptzArray(subscriptionIds.map(sinceOf)),
    ],
  })
  return rowCount
}

/**
 * Makes those of the lanes due that owe something and do not know of it. One that is due keeps its place in the queue.
 *
 * @param sinceOf as for `releaseLanes`
 */
export async function wakeOwing(
  db: Queryable,
  subscriptionIds: readonly number[],
  sinceOf: (subscriptionId: number) => number = () => 0,
): Promise<void> {
  await db.query({
    name: 'wake_owing',
    text: `
      with owing as (
        select k.id as subscription_id, o.due_at from unnest($1::int[], $2::timestamptz[]) as k (id, since)
        cross join lateral (
          select due_at from owed where subscription_id + 0 = k.id and owner is null and due_at >= k.since
          order by due_at limit 1) o),
      ${wakeForgottenLanes('owing')}
      select`,
    values: [int4Array(subscriptionIds), timestamptzArray(subscriptionIds.map(sinceOf))],
  })
}

/** Removes the lane of a deleted subscription, which this process has leased, once nothing waits in it. */
export async function deleteLane(db: Queryable, owner: number, subscriptionId: number): Promise<void> {
  await db.query({
    text: 'delete from lanes where subscription_id = $1 and owner = $2',
    values: [subscriptionId, owner],
  })
}

/** When a rate limit will have everything again, in Unix milliseconds. */
export interface LaneRate {
  readonly subscriptionId: number
  /** Infinity: not known, as the process that knew it died. Null: it has never been used. */
  readonly fullAt: number | null
}

/** Reads what the last holder of the lanes has left of their rates. Until `keepRates` nobody else knows it any more. */
export async function takeRates(
  db: Queryable,
  owner: number,
  subscriptionIds: readonly number[],
): Promise<readonly LaneRate[]> {
  const { rows } = await db.query<{ subscription_id: number; full_ms: number | null }>({
    name: 'take_rates',
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
export async function keepRates(db: Queryable, owner: number, rates: readonly LaneRate[]): Promise<void> {
  await db.query({
    name: 'keep_rates',
    text: `
      with kept as (
        select l.subscription_id, p.full_at
        from unnest($1::int[], $2::timestamptz[]) as p (id, full_at)
        join lanes l on l.subscription_id = p.id and l.owner = $3
        where l.subscription_id = any($1::int[])
        order by l.subscription_id for no key update of l)
      update lanes l set full_at = kept.full_at from kept where l.subscription_id = kept.subscription_id`,
    values: [
      int4Array(rates.map(rate => rate.subscriptionId)),
      timestamptzArray(rates.map(rate => rate.fullAt)),
      owner,
    ],
  })
}
