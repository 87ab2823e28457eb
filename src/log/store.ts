import { wakeOrMakeLanes } from '../lanes/wake.ts'
import type { AttemptTrigger } from '../model/delivery.ts'
import type { ExchangeDetails } from '../model/exchange-details.ts'
import type { AttemptStatus, ErrorClass } from '../model/outcome.ts'
import type { VerdictWord } from '../model/verdict.ts'
import {
  byteaArray,
  int2Array,
  int4Array,
  textArray,
  timestamptzArray,
  uuidArray,
} from '../platform/binary-array.ts'
import type { Uuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'
import { noteGivenUp } from '../system-facts/facts.ts'

/** An attempt as it is written, one row of `delivery_logs`; src/monitor/ reads it back as `AttemptRow`. Times are Unix milliseconds. */
export interface AttemptEntry {
  readonly id: Uuid
  readonly subscriptionId: number
  readonly webhookId: Uuid
  readonly timestamp: number
  readonly attempt: number
  readonly status: AttemptStatus
  readonly verdict: VerdictWord
  readonly httpStatus: number | null
  readonly durationMs: number | null
  readonly nextAt: number | null
  readonly error: string | null
  /** Of a failure only. */
  readonly errorClass?: ErrorClass | null
  readonly errorCode?: string | null
  /** Absent: auto. */
  readonly trigger?: AttemptTrigger
  /** No attempt was made. It is written where its owed row goes in the same statement: else another one ended it, and said so. */
  readonly isWithoutAttempt?: boolean
}

/** What an attempt remembers besides its row in the log, as it is written: one row of `attempt_details`. */
export interface DetailsEntry {
  /** That of its attempt. */
  readonly id: Uuid
  readonly exchange: ExchangeDetails
}

/** An owed row that stays owed: its next attempt, and when. */
export interface OwedAgain {
  readonly webhookId: Uuid
  readonly subscriptionId: number
  /** The attempt number the row must still have; another process that settled it first has moved it on. */
  readonly attempt: number
  readonly nextAttempt: number
  readonly dueAt: number
}

const insertLogs = insertInto('error', '$11::text[]')
const insertWithMore = insertInto(
  'error, error_class, error_code, trigger',
  '$11::text[], $21::text[], $22::text[], $29::text[]::attempt_trigger[]',
)
const insertAttemptsAndEnds = `${insertWithMore}
  where id <> all($30::uuid[]) or (webhook, sub, attempt) in (select webhook_id, subscription_id, attempt from settled)`

/** @param more columns that not all statements fill, and where their values are */
function insertInto(more: string, values: string): string {
  return `
  insert into delivery_logs
    (id, subscription_id, webhook_id, "timestamp", attempt, status, verdict, http_status, duration_ms, next_at, ${more})
  select id, sub, webhook, at, attempt, status::attempt_status, verdict::attempt_verdict, http, ms, next_at, ${more}
  from unnest($1::uuid[], $2::int[], $3::uuid[], $4::timestamptz[], $5::int2[], $6::text[], $7::text[], $8::int2[],
              $9::int[], $10::timestamptz[], ${values})
    as t (id, sub, webhook, at, attempt, status, verdict, http, ms, next_at, ${more})`
}

// A final attempt removes the owed row whoever holds it now: what is settled is settled. Only the attempt number is
// checked, so that a process that slept through its lease cannot end a replay or a later attempt.
// The array of ids keeps the planner to probes of the key: as a join it may read all of `owed` and look for each row in
// the batch, when the table was empty at the time the plan was made (110,586 pages for a batch of 50, in a table that a
// held transaction kept from being cleaned). For the same reason the rest is a filter that is no join (`is true`).
const deleteOwed = `
  delete from owed o
  where o.webhook_id = any($12::uuid[])
    and ((o.webhook_id, o.subscription_id, o.attempt) in (
      select webhook, sub, attempt from unnest($12::uuid[], $13::int[], $14::int2[]) as f (webhook, sub, attempt))) is true`

/** Whether a delivery that ends like this is a dead letter. */
export function isDead(verdict: VerdictWord): boolean {
  return verdict === 'given_up' || verdict === 'expired'
}

// Those whose owed row goes in this statement: what two processes have attempted is told of once.
const dead = `
      dead as (
        select u.id, s.webhook_id, s.subscription_id
        from settled s
        join unnest($1::uuid[], $2::int[], $3::uuid[], $7::text[], $29::text[]) as u (id, sub, webhook, verdict, trigger)
          on u.webhook = s.webhook_id and u.sub = s.subscription_id
        where u.verdict in ('given_up', 'expired') and u.trigger <> 'test')`

/**
 * Appends attempts, all of them made, final, without an error class, by themselves and none of them a dead letter, and removes
 * the owed rows they settle: one statement, one commit. The way of nearly every delivery, so it is kept apart from
 * `recordAttempts`.
 */
export async function recordFinalAttempts(db: Queryable, rows: readonly AttemptEntry[]): Promise<void> {
  await db.query({
    name: 'record_final_attempts',
    text: `with settled as (${deleteOwed}) ${insertLogs}`,
    values: [...logColumns(rows), ...finalColumns(rows)],
  })
}

/**
 * Appends attempts with what they remember, removes the owed rows of the final ones, and gives the others their next
 * attempt and time, back in their lanes: one statement, one commit. `owner` fences: a row that another process holds
 * now is its own.
 */
export async function recordAttempts(
  db: Queryable,
  owner: number,
  rows: readonly AttemptEntry[],
  again: readonly OwedAgain[],
  details: readonly DetailsEntry[] = [],
): Promise<void> {
  const final = rows.filter(row => row.verdict !== 'retry')
  const withoutAttempt = final.filter(row => row.isWithoutAttempt).map(row => row.id)
  const hasEnds = withoutAttempt.length > 0 || final.some(row => isDead(row.verdict))
  await db.query({
    name: hasEnds ? 'record_attempts_and_ends' : 'record_attempts',
    text: `
      with settled as (${deleteOwed} ${hasEnds ? 'returning webhook_id, subscription_id, attempt' : ''}),
      ${hasEnds ? `${dead}, ${noteGivenUp('dead')},` : ''}
      later as (
        update owed o set attempt = n.next_attempt, due_at = n.due_at, owner = null,
          -- An attempt that a person wanted at once is followed by those that come by themselves; of a replay all have its own.
          trigger = case when n.next_attempt = n.attempt then o.trigger
                         when o.replay_from is not null then coalesce(o.run_trigger, o.trigger) end,
          -- Its place among those of its key, where it has one, and where it does not keep its time.
          place_at = case when o.ordering_key is null or n.due_at = o.due_at then o.place_at
                          else coalesce(o.place_at, o.due_at) end
        from unnest($15::uuid[], $16::int[], $17::int2[], $18::int2[], $19::timestamptz[])
          as n (webhook, sub, attempt, next_attempt, due_at)
        where o.webhook_id = any($15::uuid[]) -- as above
          and o.webhook_id = n.webhook and o.subscription_id = n.sub and o.attempt = n.attempt
          and (o.owner is null or o.owner = $20)
        returning o.subscription_id, o.due_at),
      ${wakeOrMakeLanes('later')},
      remembered as (
        insert into attempt_details (id, request, response, response_body, timings, remote_address)
        select id, request::json, response::json, body, timings::json, address
        from unnest($23::uuid[], $24::text[], $25::text[], $26::bytea[], $27::text[], $28::text[])
          as d (id, request, response, body, timings, address))
      ${hasEnds ? insertAttemptsAndEnds : insertWithMore}`,
    values: [
      ...logColumns(rows),
      ...finalColumns(final),
      uuidArray(again.map(row => row.webhookId)),
      int4Array(again.map(row => row.subscriptionId)),
      int2Array(again.map(row => row.attempt)),
      int2Array(again.map(row => row.nextAttempt)),
      timestamptzArray(again.map(row => row.dueAt)),
      owner,
      textArray(rows.map(row => row.errorClass ?? null)),
      textArray(rows.map(row => row.errorCode ?? null)),
      ...detailsColumns(details),
      textArray(rows.map(row => row.trigger ?? 'auto')),
      ...(hasEnds ? [uuidArray(withoutAttempt)] : []),
    ],
  })
}

function logColumns(rows: readonly AttemptEntry[]): unknown[] {
  return [
    uuidArray(rows.map(row => row.id)),
    int4Array(rows.map(row => row.subscriptionId)),
    uuidArray(rows.map(row => row.webhookId)),
    timestamptzArray(rows.map(row => row.timestamp)),
    int2Array(rows.map(row => row.attempt)),
    textArray(rows.map(row => row.status)),
    textArray(rows.map(row => row.verdict)),
    int2Array(rows.map(row => row.httpStatus)),
    int4Array(rows.map(row => row.durationMs)),
    timestamptzArray(rows.map(row => row.nextAt)),
    textArray(rows.map(row => row.error)),
  ]
}

function finalColumns(rows: readonly AttemptEntry[]): unknown[] {
  return [
    uuidArray(rows.map(row => row.webhookId)),
    int4Array(rows.map(row => row.subscriptionId)),
    int2Array(rows.map(row => row.attempt)),
  ]
}

function detailsColumns(details: readonly DetailsEntry[]): unknown[] {
  const exchanges = details.map(row => row.exchange)
  return [
    uuidArray(details.map(row => row.id)),
    textArray(exchanges.map(({ request }) => JSON.stringify(request))),
    textArray(exchanges.map(({ response }) => (response === null ? null : JSON.stringify(response)))),
    byteaArray(exchanges.map(exchange => exchange.responseBody)),
    textArray(exchanges.map(({ timings }) => JSON.stringify(timings))),
    textArray(exchanges.map(exchange => exchange.remoteAddress)),
  ]
}
