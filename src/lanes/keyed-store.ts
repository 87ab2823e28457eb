import { int2Array, int4Array, textArray, timestamptzArray, uuidArray } from '../platform/binary-array.ts'
import type { Uuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'
import { isParked, parkedAtSql } from './parked.ts'
import { asDueRow, type DueRow, dueColumns, dueOfLanes, type LaneRead, type StoredDueRow } from './store.ts'

/** A due row of a lane with an order by key, and how it stands in its key. */
export interface KeyedRow extends DueRow {
  /** Its place in its key, with its id (Unix milliseconds). */
  readonly placeAt: number
  /** The first of those that come before it in its key and have a place of their own, which only few have. */
  readonly before: readonly Uuid[]
  /** One of those comes later in the lane: so this one must not be sent now. */
  readonly isBehind: boolean
  /** There are some, and all of them are parked. */
  readonly isBehindParked: boolean
  /** Others of its key are parked. */
  readonly hasParked: boolean
}

/**
 * Rows are read this long before they are due. Their times are of the clock of the database, from which that of a process
 * differs a little: else an event could wait for the next look, a quarter of a second later.
 */
const earlyMs = 10

/** A key has at most this many rows with a place of their own that are due: those of a line, and few besides. */
export const beforeMax = 20

/**
 * The same as `readDue`, and for each row that has a key two probes of the index `owed_placed`, in which only rows are that
 * wait behind their key, or for a retry.
 */
export async function readDueKeyed(
  db: Queryable,
  lanes: readonly LaneRead[],
  now: number,
): Promise<readonly KeyedRow[]> {
  const ofKey = 'p.subscription_id + 0 = l.id and p.ordering_key = o.ordering_key and p.place_at is not null'
  const { rows } = await db.query<
    StoredDueRow & {
      place_ms: number
      before: readonly Uuid[] | null
      is_behind: boolean | null
      is_behind_parked: boolean | null
      has_parked: boolean | null
    }
  >({
    name: 'read_due_keyed',
    text: `
      select ${dueColumns}, (extract(epoch from coalesce(o.place_at, o.due_at)) * 1000)::float8 as place_ms,
             b.before, b.is_behind, b.is_behind_parked, b.has_parked
      from ${dueOfLanes.text}
      left join lateral (
        select array_agg(f.webhook_id) as before, bool_or((f.due_at, f.webhook_id) > (o.due_at, o.webhook_id)) as is_behind,
               bool_and(${isParked('f')}) as is_behind_parked,
               (select ${isParked('p')} from owed p where ${ofKey}
                order by p.place_at desc, p.webhook_id desc limit 1) as has_parked
        from (
          select p.due_at, p.webhook_id from owed p where ${ofKey}
            and (p.place_at, p.webhook_id) < (coalesce(o.place_at, o.due_at), o.webhook_id)
          order by p.place_at, p.webhook_id limit ${beforeMax}) f) b on o.ordering_key is not null`,
    values: dueOfLanes.values(lanes, now + earlyMs),
  })
  return rows.map(row => ({
    ...asDueRow(row),
    placeAt: row.place_ms,
    before: row.before ?? [],
    isBehind: row.is_behind ?? false,
    isBehindParked: row.is_behind_parked ?? false,
    hasParked: row.has_parked ?? false,
  }))
}

/**
 * Takes rows out of the way that wait behind others of their key. They keep their place there, and are due again when
 * `unpark` says so. Those that have changed since they were read are left as they are.
 */
export async function park(
  db: Queryable,
  rows: readonly Pick<DueRow, 'webhookId' | 'subscriptionId' | 'attempt'>[],
): Promise<void> {
  await db.query({
    name: 'park',
    text: `
      update owed o set place_at = coalesce(o.place_at, o.due_at), due_at = ${parkedAtSql}
      from unnest($1::uuid[], $2::int[], $3::int2[]) as r (webhook, sub, attempt)
      where o.webhook_id = any($1::uuid[]) and o.webhook_id = r.webhook and o.subscription_id = r.sub
        and o.attempt = r.attempt and o.owner is null and o.ordering_key is not null`,
    values: [
      uuidArray(rows.map(row => row.webhookId)),
      int4Array(rows.map(row => row.subscriptionId)),
      int2Array(rows.map(row => row.attempt)),
    ],
  })
}

/** Some of what waits behind a key. */
export interface KeyWish {
  readonly subscriptionId: number
  readonly key: string
  /** How many rows of it. */
  readonly rows: number
}

/** Makes the first rows due that are parked behind keys, in their order. @returns how many there were of each, as in `wishes` */
export async function unpark(
  db: Queryable,
  wishes: readonly KeyWish[],
  now: number,
): Promise<readonly number[]> {
  const { rows } = await db.query<{ i: number; n: number }>({
    name: 'unpark',
    text: `
      with next as materialized (
        select w.i, r.webhook_id, r.subscription_id,
               row_number() over (partition by w.i order by r.place_at, r.webhook_id) as place
        from unnest($1::int[], $2::text[], $3::int[]) with ordinality as w (sub, key, rows, i)
        cross join lateral (
          select o.webhook_id, o.subscription_id, o.place_at from owed o
          where o.subscription_id + 0 = w.sub and o.ordering_key = w.key and o.place_at is not null and ${isParked('o')}
          order by o.place_at, o.webhook_id limit w.rows) r),
      due as (
        -- One after the other, a microsecond apart, and behind all that is due by now: so a lane that was read up to here
        -- has them next, and in this order.
        update owed o set due_at = greatest(($4::timestamptz[])[1], o.place_at) + make_interval(secs => n.place * 0.000001)
        from next n
        where o.webhook_id = any(array(select webhook_id from next)) and o.webhook_id = n.webhook_id
          and o.subscription_id = n.subscription_id and ${isParked('o')}
        returning n.i)
      select i::int, count(*)::int as n from due group by i`,
    values: [
      int4Array(wishes.map(wish => wish.subscriptionId)),
      textArray(wishes.map(wish => wish.key)),
      int4Array(wishes.map(wish => wish.rows)),
      timestamptzArray([now]),
    ],
  })
  const found = new Map(rows.map(row => [row.i, row.n]))
  return wishes.map((_, index) => found.get(index + 1) ?? 0)
}
