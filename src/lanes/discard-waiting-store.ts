import { pauseNotice } from '../model/pause.ts'
import { timestamptzArray } from '../platform/binary-array.ts'
import { type Uuid, uuidLowerBound } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'
import { logEnds } from './log-ends.ts'
import { letKeysGoOn } from './parked.ts'

/** What is being discarded of a lane. */
export interface DiscardRow {
  readonly subscriptionId: number
  /** Runs that began before this moment (Unix milliseconds). */
  readonly beganBefore: number
  /** Null: more than could be counted. */
  readonly waiting: number | null
  readonly ended: number
}

const columns = `subscription_id as "subscriptionId", (extract(epoch from began_before) * 1000)::float8 as "beganBefore",
  waiting::float8 as waiting, ended::float8 as ended`

export async function readDiscards(db: Queryable): Promise<readonly DiscardRow[]> {
  const { rows } = await db.query<DiscardRow>({
    text: `select ${columns} from lane_discards order by subscription_id`,
  })
  return rows
}

export async function readDiscard(db: Queryable, subscriptionId: number): Promise<DiscardRow | undefined> {
  const { rows } = await db.query<DiscardRow>({
    text: `select ${columns} from lane_discards where subscription_id = $1`,
    values: [subscriptionId],
  })
  return rows[0]
}

/**
 * Asks for a discard, tells all processes of it, and holds the lane until it has ended. A pause of the receiver is over. One
 * that was asked for before becomes this one.
 */
export async function insertDiscard(
  tx: Queryable,
  { subscriptionId, beganBefore, waiting }: Omit<DiscardRow, 'ended'>,
): Promise<void> {
  await tx.query({
    text: `
      with asked as (
        insert into lane_discards (subscription_id, began_before, waiting) values ($1, ($2::timestamptz[])[1], $3)
        on conflict (subscription_id) do update
          set began_before = greatest(lane_discards.began_before, excluded.began_before), waiting = excluded.waiting, ended = 0),
      held as (update lanes set held = true, open_until = null where subscription_id = $1)
      select pg_notify('lane_discards', $1::text), pg_notify('${pauseNotice.channel}', $1 || ' 0 resumed')`,
    values: [subscriptionId, timestamptzArray([beganBefore]), waiting],
  })
}

/** A place in a lane; the time as PostgreSQL writes it, so that nothing of it is lost. */
export interface WaitingPosition {
  readonly dueAt: string
  readonly webhookId: Uuid
}

export const laneStart: WaitingPosition = { dueAt: '-infinity', webhookId: uuidLowerBound(0) }

/** Some rows that wait in a lane, in its order. */
export interface WaitingPage {
  readonly looked: number
  /** Of these, rows of runs that began before the moment. */
  readonly found: number
  readonly last: WaitingPosition | undefined
}

interface PageRow {
  readonly looked: number
  readonly found: number
  readonly due_at: string | null
  readonly webhook_id: Uuid | null
}

// `subscription_id + 0`: the index of lanes, and no other (migrations/0001_schema.sql). A run began when its event was
// accepted, or at `replayed_at`: when it was asked for again, or is to be delivered.
const page = `
  page as materialized (
    select ctid as place, due_at, webhook_id,
           webhook_id < $4 and (replayed_at is null or replayed_at < ($5::timestamptz[])[1]) as waited
    from owed
    where subscription_id + 0 = $1 and owner is null and (due_at, webhook_id) > ($2::text::timestamptz, $3)
    order by due_at, webhook_id limit $6)`
const end = `
  from (values (1)) one (n)
  left join (select due_at, webhook_id from page order by due_at desc, webhook_id desc limit 1) e on true`

export async function countWaitingPage(
  db: Queryable,
  subscriptionId: number,
  beganBefore: number,
  after: WaitingPosition,
  limit: number,
): Promise<WaitingPage> {
  const { rows } = await db.query<PageRow>({
    text: `
      with ${page}
      select (select count(*)::int from page) as looked, (select count(*)::int from page where waited) as found,
             e.due_at::text, e.webhook_id ${end}`,
    values: parameters(subscriptionId, beganBefore, after, limit),
  })
  return asPage(rows)
}

/**
 * Looks at up to `limit` rows, and ends those of runs that began before the moment, each with a row in the log. One that is given
 * its next time at this moment is another version of the row by then: it is found, and does not end here.
 */
export async function discardWaitingPage(
  db: Queryable,
  subscriptionId: number,
  beganBefore: number,
  after: WaitingPosition,
  limit: number,
): Promise<WaitingPage> {
  const { rows } = await db.query<PageRow>({
    text: `
      with ${page},
      gone as (
        delete from owed o where ctid = any(array(select place from page where waited)) and owner is null
        returning o.webhook_id, o.subscription_id, o.attempt, o.trigger, o.ordering_key),
      ${letKeysGoOn('gone')},
      logged as (${logEnds('gone', `'discarded when the subscription was resumed'`)} returning 1),
      counted as (
        update lane_discards set ended = ended + (select count(*) from logged) where subscription_id = $1)
      select (select count(*)::int from page) as looked, (select count(*)::int from page where waited) as found,
             e.due_at::text, e.webhook_id ${end}`,
    values: parameters(subscriptionId, beganBefore, after, limit),
  })
  return asPage(rows)
}

function parameters(
  subscriptionId: number,
  beganBefore: number,
  after: WaitingPosition,
  limit: number,
): readonly unknown[] {
  return [
    subscriptionId,
    after.dueAt,
    after.webhookId,
    uuidLowerBound(beganBefore),
    timestamptzArray([beganBefore]),
    limit,
  ]
}

function asPage([row]: readonly PageRow[]): WaitingPage {
  const { looked = 0, found = 0, due_at: dueAt = null, webhook_id: webhookId = null } = row ?? {}
  return { looked, found, last: dueAt === null || webhookId === null ? undefined : { dueAt, webhookId } }
}

/**
 * A discard has ended: its lane is held no more, unless its subscription is paused or disabled by now. One that was asked for
 * anew meanwhile goes on.
 *
 * @param tx an open transaction
 * @returns whether it has ended
 */
export async function endDiscard(
  tx: Queryable,
  { subscriptionId, beganBefore }: Pick<DiscardRow, 'subscriptionId' | 'beganBefore'>,
): Promise<boolean> {
  // The subscription before its lane, as everywhere. One that was deleted has opened its lane itself.
  const { rows } = await tx.query<{ waits: boolean }>({
    text: `select paused or state = 'disabled' as waits from subscriptions where id = $1 for share`,
    values: [subscriptionId],
  })
  const { rowCount } = await tx.query({
    text: `delete from lane_discards where subscription_id = $1 and began_before <= ($2::timestamptz[])[1]`,
    values: [subscriptionId, timestamptzArray([beganBefore])],
  })
  const [subscription] = rows
  if (rowCount === 0 || subscription === undefined) return rowCount > 0
  await tx.query({
    text: `update lanes set held = $2,
             due_at = case when $2 then due_at else least(due_at, greatest(now(), open_until)) end
           where subscription_id = $1`,
    values: [subscriptionId, subscription.waits],
  })
  return true
}
