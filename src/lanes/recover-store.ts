import { timestamptzArray } from '../platform/binary-array.ts'
import type { Uuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'
import { dueNow, isParked } from './parked.ts'
import { wakeOrMakeLanes } from './wake.ts'

/** Of a row or a lane: its owner is no process. */
const isOrphan = 'owner is not null and not exists (select from processes p where p.id = page.owner)'

/** A row of `owed` by its key. */
export interface OwedKey {
  readonly webhookId: Uuid
  readonly subscriptionId: number
}

/** Rows that were looked at, those of them that went to their lanes, and the last one. */
export interface FreedPage<Key> {
  readonly rows: number
  readonly freed: number
  readonly last: Key | undefined
}

/**
 * Looks at `limit` owed rows behind `after`, in order of their key, and puts those that `owner` holds into their lanes, due
 * now, whenever they were due before: behind what other processes remember of these lanes (`ReadFrom`) nobody looks until a
 * minute is over. There is no index on the owner, which would cost every happy delivery a write.
 *
 * @param now Unix milliseconds
 */
export function freeHeld(
  db: Queryable,
  owner: number,
  after: OwedKey,
  limit: number,
  now: number,
): Promise<FreedPage<OwedKey>> {
  return freeWhere(db, 'owner = $5', after, limit, now, [owner])
}

/** The same for rows whose owner is no process: what a late commit of one that was declared dead leaves behind. */
export function freeOrphans(
  db: Queryable,
  after: OwedKey,
  limit: number,
  now: number,
): Promise<FreedPage<OwedKey>> {
  return freeWhere(db, isOrphan, after, limit, now, [])
}

async function freeWhere(
  db: Queryable,
  condition: string,
  after: OwedKey,
  limit: number,
  now: number,
  values: readonly unknown[],
): Promise<FreedPage<OwedKey>> {
  const { rows } = await db.query<{
    rows: number
    freed: number
    webhook_id: Uuid | null
    subscription_id: number | null
  }>({
    // By its place (ctid), so that nothing else is read, whatever the statistics say: 38 ms for 2,000 rows of 300,000; with
    // its key and `= any(array(…))` for the same purpose 606 ms. A row that has changed meanwhile has another place, and is
    // left alone: its holder has settled it.
    text: `
      with page as materialized (
        select webhook_id, subscription_id, owner, ctid as place from owed where (webhook_id, subscription_id) > ($1, $2::int)
        order by webhook_id, subscription_id limit $3),
      held as materialized (select place, owner from page where ${condition}),
      freed as (
        update owed o set owner = null, due_at = ($4::timestamptz[])[1] from held h
        where o.ctid = h.place and o.owner = h.owner
        returning o.subscription_id, o.due_at),
      ${wakeOrMakeLanes('freed')},
      last as (select webhook_id, subscription_id from page order by webhook_id desc, subscription_id desc limit 1)
      select (select count(*)::int from page) as rows, (select count(*)::int from freed) as freed,
             (select webhook_id from last) as webhook_id, (select subscription_id from last) as subscription_id`,
    values: [after.webhookId, after.subscriptionId, limit, timestamptzArray([now]), ...values],
  })
  const { webhook_id: webhookId, subscription_id: subscriptionId, ...counts } = rows[0] ?? noRow
  const last = webhookId === null || subscriptionId === null ? undefined : { webhookId, subscriptionId }
  return { ...counts, last }
}

const noRow = { rows: 0, freed: 0, webhook_id: null, subscription_id: null }

/**
 * Looks at `limit` lanes behind `after`, in order of their ids, and gives back those that `owner` has leased: due now, but
 * not before they open.
 */
export function giveBackHeld(
  db: Queryable,
  owner: number,
  after: number,
  limit: number,
  now: number,
): Promise<FreedPage<number>> {
  return giveBackWhere(db, 'owner = $4', after, limit, now, [owner])
}

/** The same for lanes that are leased to no process. */
export function giveBackOrphans(
  db: Queryable,
  after: number,
  limit: number,
  now: number,
): Promise<FreedPage<number>> {
  return giveBackWhere(db, isOrphan, after, limit, now, [])
}

async function giveBackWhere(
  db: Queryable,
  condition: string,
  after: number,
  limit: number,
  now: number,
  values: readonly unknown[],
): Promise<FreedPage<number>> {
  const { rows } = await db.query<{ rows: number; freed: number; last: number | null }>({
    text: `
      with page as materialized (
        select subscription_id, owner from lanes where subscription_id > $1 order by subscription_id limit $2),
      held as materialized (select subscription_id, owner from page where ${condition}),
      locked as (
        -- In order of id, as all who lock several lanes do.
        select l.subscription_id, l.owner from lanes l join held h using (subscription_id) where l.owner = h.owner
        order by l.subscription_id for no key update of l),
      freed as (
        update lanes l set owner = null, due_at = greatest(($3::timestamptz[])[1], l.open_until) from locked k
        where l.subscription_id = k.subscription_id and l.owner = k.owner
        returning l.subscription_id)
      select (select count(*)::int from page) as rows, (select count(*)::int from freed) as freed,
             (select max(subscription_id) from page) as last`,
    values: [after, limit, timestamptzArray([now]), ...values],
  })
  const { last, ...counts } = rows[0] ?? { rows: 0, freed: 0, last: null }
  return { ...counts, last: last ?? undefined }
}

/** A key of a subscription. */
export interface SubscriptionKey {
  readonly subscriptionId: number
  readonly key: string
}

/**
 * The safety net under orders by key: of the next `limit` keys behind `after` that have rows with a place of their own, those
 * go on whose first row is parked. Usually that is right, as the rows before it are in the memory of whoever has the lane;
 * then it is parked again, or sent in its turn. It is needed where what was before it has ended by other means.
 *
 * @returns `freed`: how many were let go on
 */
export async function repairKeys(
  db: Queryable,
  after: SubscriptionKey,
  limit: number,
): Promise<FreedPage<SubscriptionKey>> {
  const { rows } = await db.query<{
    rows: number
    freed: number
    subscription_id: number | null
    ordering_key: string | null
  }>({
    text: `
      with recursive firsts as (
        (select subscription_id, ordering_key, webhook_id, due_at, 1 as n from owed
         where place_at is not null and (subscription_id + 0, ordering_key) > ($1, $2)
         order by subscription_id + 0, ordering_key, place_at, webhook_id limit 1)
        union all
        select n.subscription_id, n.ordering_key, n.webhook_id, n.due_at, f.n + 1 from firsts f
        cross join lateral (
          select subscription_id, ordering_key, webhook_id, due_at from owed
          where place_at is not null and (subscription_id + 0, ordering_key) > (f.subscription_id, f.ordering_key)
          order by subscription_id + 0, ordering_key, place_at, webhook_id limit 1) n
        where f.n < $3),
      going_on as (
        update owed o set due_at = ${dueNow} from firsts f
        where o.webhook_id = any(array(select webhook_id from firsts where ${isParked('firsts')}))
          and o.webhook_id = f.webhook_id and o.subscription_id = f.subscription_id and ${isParked('o')}
        returning o.subscription_id, o.due_at),
      ${wakeOrMakeLanes('going_on')}
      select (select count(*)::int from firsts) as rows, (select count(*)::int from going_on) as freed,
             l.subscription_id, l.ordering_key
      from (values (1)) one (n) left join (
        select subscription_id, ordering_key from firsts order by n desc limit 1) l on true`,
    values: [after.subscriptionId, after.key, limit],
  })
  const {
    subscription_id: subscriptionId = null,
    ordering_key: key = null,
    ...counts
  } = rows[0] ?? { rows: 0, freed: 0 }
  return { ...counts, last: subscriptionId === null || key === null ? undefined : { subscriptionId, key } }
}

/**
 * The safety net under the lanes: looks at the next `limit` subscriptions behind `after` that have owed rows in no one's
 * hands. Each has a lane, and the lane knows of them; a lane that is due keeps its place in the queue, and one that is
 * closed stays closed. A loose index scan, one probe per subscription that owes something.
 *
 * @returns `freed`: how many lanes were wrong
 */
export async function repairLanes(db: Queryable, after: number, limit: number): Promise<FreedPage<number>> {
  const { rows } = await db.query<{ rows: number; freed: number; last: number | null }>({
    text: `
      with recursive owing as (
        (select subscription_id, due_at, 1 as n from owed where owner is null and subscription_id + 0 > $1
         order by subscription_id + 0, due_at limit 1)
        union all
        select n.subscription_id, n.due_at, o.n + 1 from owing o
        cross join lateral (
          select subscription_id, due_at from owed
          where owner is null and subscription_id + 0 > o.subscription_id
          order by subscription_id + 0, due_at limit 1) n
        where o.n < $2),
      repaired as (
        insert into lanes as l (subscription_id, due_at)
        select subscription_id, due_at from owing
        where not exists (
          select from lanes x where x.subscription_id = owing.subscription_id
            and (x.owner is not null or x.due_at <= greatest(owing.due_at, x.open_until, now())))
        on conflict (subscription_id) do update set due_at = least(l.due_at, greatest(excluded.due_at, l.open_until))
        where l.owner is null and (l.due_at is null or l.due_at > greatest(excluded.due_at, l.open_until, now()))
        returning l.subscription_id)
      select (select count(*)::int from owing) as rows, (select count(*)::int from repaired) as freed,
             (select max(subscription_id) from owing) as last`,
    values: [after, limit],
  })
  const { last, ...counts } = rows[0] ?? { rows: 0, freed: 0, last: null }
  return { ...counts, last: last ?? undefined }
}
