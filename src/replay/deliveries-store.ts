import { logEnds } from '../lanes/log-ends.ts'
import { isParked } from '../lanes/parked.ts'
import type { AttemptTrigger } from '../model/delivery.ts'
import type { ErrorClass } from '../model/outcome.ts'
import { int4Array, uuidArray } from '../platform/binary-array.ts'
import type { Uuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'
import type { DeliveryKey } from './candidates-store.ts'

/** Which deliveries are looked for. */
export interface DeliverySelection {
  readonly tenant: string | null
  readonly subscriptionId: number | null
  /** Of the last attempt. */
  readonly errorClass: string | null
  /** Ids of events from this one on. */
  readonly from: Uuid
}

/** A part of the deliveries, the newest events first, that a statement goes through. */
export interface Look {
  readonly before: DeliveryKey
  /** No row of the log with a smaller id is about events from `from` on. */
  readonly loggedFrom: Uuid
  /** Rows that are looked at, at the most: all that come next, whoever's they are. */
  readonly rowsMax: number
  /** Of these, keys that are read. */
  readonly keysMax: number
}

export interface KeyPage {
  /** Those that may be of the selection, each once. */
  readonly keys: readonly DeliveryKey[]
  /** Rows that were looked at. */
  readonly looked: number
  /** Where the look has ended; undefined: there is nothing more. */
  readonly end: DeliveryKey | undefined
}

/** What is owed; how its last attempt failed is not looked at. */
export function readOwedKeys(db: Queryable, selection: DeliverySelection, look: Look): Promise<KeyPage> {
  const looked = `select webhook_id, subscription_id from owed where ${within} ${newestFirst} limit $4`
  return readKeys(db, { looked, values: [] }, selection, look)
}

/** What was given up or became too old. */
export function readDeadKeys(db: Queryable, selection: DeliverySelection, look: Look): Promise<KeyPage> {
  // An index holds these rows alone, and is used only where the condition stands as it stands there.
  const looked = `
    select webhook_id, subscription_id${selection.errorClass === null ? '' : ', error_class'} from delivery_logs
    where verdict in ('given_up', 'expired') and ${within} and id >= $8 ${newestFirst} limit $4`
  const isWanted = selection.errorClass === null ? '' : 'and error_class = $9'
  const values = selection.errorClass === null ? [look.loggedFrom] : [look.loggedFrom, selection.errorClass]
  return readKeys(db, { looked, isWanted, values }, selection, look)
}

/** What has ended in whatever way; how its last attempt failed is not looked at. */
export function readEndedKeys(db: Queryable, selection: DeliverySelection, look: Look): Promise<KeyPage> {
  const looked = `
    select webhook_id, subscription_id from delivery_logs
    where verdict <> 'retry' and trigger <> 'test' and webhook_id <= $1 and ${within} and id >= $8
    ${newestFirst} limit $4`
  return readKeys(db, { looked, values: [look.loggedFrom] }, selection, look)
}

const within = '(webhook_id, subscription_id) < ($1, $2) and webhook_id >= $3'
const newestFirst = 'order by webhook_id desc, subscription_id desc'

/** Where keys come from: SQL of the rows that are looked at, a condition on them, and the values from $8 on. */
interface KeySource {
  readonly looked: string
  readonly isWanted?: string
  readonly values: readonly unknown[]
}

// The filters come after the limit, so that a statement is as short for whoever has little among much as for all others.
async function readKeys(
  db: Queryable,
  { looked, isWanted = '', values }: KeySource,
  { tenant, subscriptionId, from }: DeliverySelection,
  { before, rowsMax, keysMax }: Look,
): Promise<KeyPage> {
  const { rows } = await db.query<{ keys: string; looked: number; end: string | null }>({
    text: `
      with looked as materialized (${looked}),
      found as (
        select distinct webhook_id, subscription_id from looked l
        where ($5::int is null or subscription_id = $5) ${isWanted}
          and ($6::text is null or coalesce(
            (select tenant from subscriptions where id = l.subscription_id),
            (select tenant from subscription_tombstones where id = l.subscription_id)) = $6)
        ${newestFirst} limit $7)
      select (select coalesce(string_agg(webhook_id || '/' || subscription_id, ' ' ${newestFirst}), '') from found) as keys,
             (select count(*)::int from looked) as looked,
             (select webhook_id || '/' || subscription_id from looked order by webhook_id, subscription_id limit 1) as end`,
    values: [
      before.webhookId,
      before.subscriptionId,
      from,
      rowsMax,
      subscriptionId,
      tenant,
      keysMax,
      ...values,
    ],
  })
  const [page] = rows
  if (page === undefined) throw new Error('a select without a table answered no row')
  const keys = page.keys === '' ? [] : page.keys.split(' ').map(asKey)
  // With as many keys as are read, there may be more between the last of them and the end of the look.
  if (keys.length === keysMax) return { keys, looked: page.looked, end: keys.at(-1) }
  const isWhole = page.looked < rowsMax || page.end === null
  return { keys, looked: page.looked, end: isWhole ? undefined : asKey(page.end ?? '') }
}

function asKey(text: string): DeliveryKey {
  const [webhookId = '', subscriptionId] = text.split('/')
  return { webhookId: webhookId as Uuid, subscriptionId: Number(subscriptionId) } // written by the statement above
}

export interface DeliveryRow {
  readonly webhook_id: Uuid
  readonly subscription_id: number
  readonly tenant: string
  readonly uid: string | null
  readonly state: 'pending' | 'success' | 'failed' | 'cancelled'
  /** Of what is owed: not before then; null: as things are, never. */
  readonly due_at: Date | null
  /** Of what is owed, and is in an order by key. */
  readonly ordering_key: string | null
  readonly attempt: number | null
  readonly trigger: AttemptTrigger | null
  readonly last_attempt_at: Date | null
  readonly http_status: number | null
  readonly error: string | null
  readonly error_class: ErrorClass | null
}

/**
 * Deliveries as they are now, in the order of the keys; those of which nothing is known any more are left out.
 *
 * The log of each event is read once, however many of the keys are its own.
 *
 * @param loggedFrom no row of the log with a smaller id is about these events
 */
export async function readDeliveries(
  db: Queryable,
  keys: readonly DeliveryKey[],
  loggedFrom: Uuid,
): Promise<readonly DeliveryRow[]> {
  if (keys.length === 0) return []
  const { rows } = await db.query<DeliveryRow>({
    text: `
      with wanted as (
        select * from unnest($1::uuid[], $2::int[]) with ordinality as k (webhook_id, subscription_id, place)),
      last as materialized (
        -- The array keeps the planner to the index on webhook_id.
        select distinct on (webhook_id, subscription_id)
          webhook_id, subscription_id, verdict, trigger, http_status, error, error_class,
          -- What ends without an attempt has a row, too, under the number of the attempt that would have been next.
          attempt - case when duration_ms is null then 1 else 0 end as attempt,
          max("timestamp") filter (where duration_ms is not null) over (partition by webhook_id, subscription_id) as attempted_at
        from delivery_logs
        where webhook_id = any($1::uuid[]) and subscription_id = any($2::int[]) and id >= $3
        order by webhook_id, subscription_id, id desc),
      owing as materialized (
        select webhook_id, subscription_id, due_at, ordering_key from owed
        where webhook_id = any($1::uuid[]) and subscription_id = any($2::int[]))
      select k.webhook_id, k.subscription_id, s.tenant, s.uid, d.attempt, d.trigger, d.attempted_at as last_attempt_at,
             d.http_status, d.error, d.error_class,
             case when o.webhook_id is not null then 'pending' when d.verdict = 'delivered' then 'success'
                  when d.verdict = 'cancelled' then 'cancelled' else 'failed' end as state,
             case when not s.waits and not ${isParked('o')} then greatest(o.due_at, l.open_until) end as due_at,
             o.ordering_key
      from wanted k
      left join last d on d.webhook_id = k.webhook_id and d.subscription_id = k.subscription_id
      left join owing o on o.webhook_id = k.webhook_id and o.subscription_id = k.subscription_id
      left join lanes l on l.subscription_id = k.subscription_id
      join lateral (
        select tenant, uid, paused or state = 'disabled' as waits from subscriptions where id = k.subscription_id
        union all
        select tenant, uid, true from subscription_tombstones where id = k.subscription_id
        limit 1) s on true
      where o.webhook_id is not null or d.verdict <> 'retry'
      order by k.place`,
    values: [
      uuidArray(keys.map(({ webhookId }) => webhookId)),
      int4Array(keys.map(({ subscriptionId }) => subscriptionId)),
      loggedFrom,
    ],
  })
  return rows
}

/**
 * Dead letters become dead letters no more: each has a row in the log that says so. Those that are owed again by now, or have
 * been delivered, stay as they are.
 *
 * @param wanted of these only those whose last attempt failed in this way; null: all
 * @param loggedFrom no row of the log with a smaller id is about these events
 * @returns how many
 */
export async function endDeadLetters(
  tx: Queryable,
  keys: readonly DeliveryKey[],
  wanted: { readonly reason: string; readonly errorClass: string | null },
  loggedFrom: Uuid,
): Promise<number> {
  if (keys.length === 0) return 0
  // The transaction has its id before the rows have theirs: whoever reads the log by ids sees that some are under way.
  await tx.query({ text: 'select pg_current_xact_id()' })
  const { rowCount } = await tx.query({
    text: `
      with last as materialized (
        -- The array keeps the planner to the index on webhook_id.
        select distinct on (webhook_id, subscription_id) webhook_id, subscription_id, attempt, trigger, verdict, error_class
        from delivery_logs
        where webhook_id = any($1::uuid[]) and subscription_id = any($2::int[]) and id >= $4
        order by webhook_id, subscription_id, id desc),
      owing as materialized (
        select webhook_id, subscription_id from owed
        where webhook_id = any($1::uuid[]) and subscription_id = any($2::int[])),
      dead as (
        select l.webhook_id, l.subscription_id, l.attempt, l.trigger
        from unnest($1::uuid[], $2::int[]) as k (webhook_id, subscription_id)
        join last l on l.webhook_id = k.webhook_id and l.subscription_id = k.subscription_id
        where l.verdict in ('given_up', 'expired') and ($5::text is null or l.error_class = $5) and not exists (
          select from owing o where o.webhook_id = k.webhook_id and o.subscription_id = k.subscription_id))
      ${logEnds('dead', '$3')}`,
    values: [
      uuidArray(keys.map(({ webhookId }) => webhookId)),
      int4Array(keys.map(({ subscriptionId }) => subscriptionId)),
      wanted.reason,
      loggedFrom,
      wanted.errorClass,
    ],
  })
  return rowCount
}
