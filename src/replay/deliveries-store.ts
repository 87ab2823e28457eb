import { logEnds } from '../lanes/log-ends.ts'
import type { AttemptTrigger } from '../model/delivery.ts'
import type { ErrorClass } from '../model/outcome.ts'
import { int4Array, uuidArray } from '../platform/binary-array.ts'
import type { Uuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'
import type { DeliveryKey } from './store.ts'

/** Which deliveries are looked for. */
export interface DeliverySelection {
  readonly tenant: string | null
  readonly subscriptionId: number | null
  readonly errorClass: string | null
  /** Ids of events from this one on. */
  readonly from: Uuid
}

export interface DeliveryRow {
  readonly webhook_id: Uuid
  readonly subscription_id: number
  readonly tenant: string
  readonly uid: string | null
  readonly state: 'pending' | 'success' | 'failed' | 'cancelled'
  /** Of what is owed: not before then; null: as things are, never. */
  readonly due_at: Date | null
  readonly attempt: number | null
  readonly trigger: AttemptTrigger | null
  readonly last_attempt_at: Date | null
  readonly http_status: number | null
  readonly error: string | null
  readonly error_class: ErrorClass | null
}

/** Some deliveries from the newest on: those that match, of those that were looked at. */
export interface DeliveryPage {
  readonly rows: readonly DeliveryRow[]
  /** The last that was looked at; undefined: there is nothing more. */
  readonly last: DeliveryKey | undefined
}

interface LookedAt extends Omit<DeliveryRow, 'state'> {
  readonly matches: boolean
  readonly state: DeliveryRow['state'] | null
}

// The newest row of the log of a delivery.
const lastAttempt = `
  left join lateral (
    select attempt, verdict, trigger, "timestamp", http_status, error, error_class from delivery_logs l
    where l.webhook_id = p.webhook_id and l.subscription_id = p.subscription_id and l.id >= $6
    order by l.id desc limit 1) d on true`

const whose = `
  left join lateral (
    select tenant, uid, paused or state = 'disabled' as waits from subscriptions where id = p.subscription_id
    union all
    select tenant, uid, true from subscription_tombstones where id = p.subscription_id
    limit 1) s on true`

const matches = `
  ($4::text is null or s.tenant = $4) and ($5::text is null or d.error_class = $5)`

const found = `p.webhook_id, p.subscription_id, s.tenant, s.uid, d.attempt, d.trigger,
  d."timestamp" as last_attempt_at, d.http_status, d.error, d.error_class`

/**
 * Looks at `limit` owed deliveries before `before`, newest events first.
 *
 * @param loggedFrom no row of the log with a smaller id is about these events
 */
export async function readOwedDeliveries(
  db: Queryable,
  selection: DeliverySelection,
  before: DeliveryKey,
  loggedFrom: Uuid,
  limit: number,
): Promise<DeliveryPage> {
  const { rows } = await db.query<LookedAt>({
    text: `
      with page as materialized (
        select webhook_id, subscription_id, due_at from owed
        where (webhook_id, subscription_id) < ($1, $2) and webhook_id >= $7
          and ($3::int is null or subscription_id = $3)
        order by webhook_id desc, subscription_id desc limit $8)
      select ${found}, 'pending' as state, ${matches} as matches,
             case when s.waits then null else greatest(p.due_at, l.open_until) end as due_at
      from page p ${lastAttempt} ${whose} left join lanes l on l.subscription_id = p.subscription_id
      order by p.webhook_id desc, p.subscription_id desc`,
    values: parameters(selection, before, loggedFrom, limit),
  })
  return pageOf(rows)
}

/** The same for deliveries that have ended in one of these states. Those that are owed again are not among them. */
export async function readEndedDeliveries(
  db: Queryable,
  selection: DeliverySelection,
  states: readonly ('success' | 'failed' | 'cancelled')[],
  before: DeliveryKey,
  loggedFrom: Uuid,
  limit: number,
): Promise<DeliveryPage> {
  const verdicts = states.flatMap(state => verdictsOf[state])
  // An index of their own holds dead letters alone, and is used only where the condition stands in the statement as it stands there.
  const isDead = states.length === 1 && states[0] === 'failed'
  const { rows } = await db.query<LookedAt>({
    text: `
      with page as materialized (
        select distinct webhook_id, subscription_id from (
          select webhook_id, subscription_id from delivery_logs
          where ${isDead ? `verdict in ('given_up', 'expired')` : `verdict <> 'retry'`}
            and (webhook_id, subscription_id) < ($1, $2) and webhook_id <= $1 and webhook_id >= $7 and id >= $6
            and ($3::int is null or subscription_id = $3)
          order by webhook_id desc, subscription_id desc limit $8) ended)
      select ${found}, null as due_at,
             case d.verdict when 'delivered' then 'success' when 'cancelled' then 'cancelled' when 'retry' then null
                            else 'failed' end as state,
             ${matches} and d.verdict = any($9::text[]::attempt_verdict[]) and o.webhook_id is null as matches
      from page p ${lastAttempt} ${whose}
      left join owed o on o.webhook_id = p.webhook_id and o.subscription_id = p.subscription_id
      order by p.webhook_id desc, p.subscription_id desc`,
    values: [...parameters(selection, before, loggedFrom, limit), verdicts],
  })
  return pageOf(rows)
}

const verdictsOf = {
  success: ['delivered'],
  failed: ['given_up', 'expired'],
  cancelled: ['cancelled'],
} as const

function parameters(
  selection: DeliverySelection,
  before: DeliveryKey,
  loggedFrom: Uuid,
  limit: number,
): readonly unknown[] {
  return [
    before.webhookId,
    before.subscriptionId,
    selection.subscriptionId,
    selection.tenant,
    selection.errorClass,
    loggedFrom,
    selection.from,
    limit,
  ]
}

function pageOf(looked: readonly LookedAt[]): DeliveryPage {
  const last = looked.at(-1)
  return {
    rows: looked.flatMap(({ matches: isMatch, state, ...row }) =>
      isMatch && state !== null ? [{ ...row, state }] : [],
    ),
    last: last && { webhookId: last.webhook_id, subscriptionId: last.subscription_id },
  }
}

/**
 * Dead letters become dead letters no more: each has a row in the log that says so. Those that are owed again by now, or have
 * been delivered, stay as they are.
 *
 * @param loggedFrom no row of the log with a smaller id is about these events
 * @returns how many
 */
export async function endDeadLetters(
  tx: Queryable,
  keys: readonly DeliveryKey[],
  reason: string,
  loggedFrom: Uuid,
): Promise<number> {
  const { rowCount } = await tx.query({
    text: `
      with last as materialized (
        -- The array keeps the planner to the index on webhook_id.
        select distinct on (webhook_id, subscription_id) webhook_id, subscription_id, attempt, trigger, verdict
        from delivery_logs where webhook_id = any($1::uuid[]) and id >= $4
        order by webhook_id, subscription_id, id desc),
      dead as (
        select l.webhook_id, l.subscription_id, l.attempt, l.trigger
        from unnest($1::uuid[], $2::int[]) as k (webhook_id, subscription_id)
        join last l on l.webhook_id = k.webhook_id and l.subscription_id = k.subscription_id
        where l.verdict in ('given_up', 'expired') and not exists (
          select from owed o where o.webhook_id = k.webhook_id and o.subscription_id = k.subscription_id))
      ${logEnds('dead', '$3')}`,
    values: [
      uuidArray(keys.map(({ webhookId }) => webhookId)),
      int4Array(keys.map(({ subscriptionId }) => subscriptionId)),
      reason,
      loggedFrom,
    ],
  })
  return rowCount
}
