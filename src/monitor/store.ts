import { isParked } from '../lanes/parked.ts'
import type { Reach } from '../model/caller.ts'
import type { AttemptTrigger } from '../model/delivery.ts'
import type { ExchangeDetails, Timings } from '../model/exchange-details.ts'
import type { AttemptStatus, ErrorClass } from '../model/outcome.ts'
import type { FinalVerdictWord, VerdictWord } from '../model/verdict.ts'
import type { Uuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'

/** An attempt as it is read, one row of `delivery_logs`; src/log/ writes it as `AttemptEntry`. */
export interface AttemptRow {
  readonly id: Uuid
  readonly subscription_id: number
  readonly webhook_id: Uuid
  readonly timestamp: Date
  readonly attempt: number
  readonly status: AttemptStatus
  readonly verdict: VerdictWord
  readonly http_status: number | null
  readonly duration_ms: number | null
  readonly next_at: Date | null
  readonly error: string | null
  readonly error_class: ErrorClass | null
  readonly error_code: string | null
  readonly trigger: AttemptTrigger
}

const attemptColumns = `id, subscription_id, webhook_id, "timestamp", attempt, status, verdict, http_status, duration_ms,
  next_at, error, error_class, error_code, trigger`

export interface LogPage {
  readonly subscriptionId: number
  readonly status: AttemptStatus | null
  /** The id to begin below. */
  readonly before: Uuid
  readonly limit: number
}

/** Rows of the log that are looked at for those of one status. */
export const lookedAtMax = 50_000

/**
 * Attempts of a subscription, newest first. Partitions are ranges of `id`, so the plan is an ordered append of backward
 * index scans on (subscription_id, id). It stops at the limit, and does not read older partitions once the page is full. Of one
 * status those among the next `lookedAt` rows are read, so that the only failure of months does not cost a walk through them.
 */
export async function readLog(
  database: Queryable,
  page: LogPage,
  lookedAt = lookedAtMax,
): Promise<readonly AttemptRow[]> {
  const { rows } = await database.query<AttemptRow>({
    text: `select * from (
             select ${attemptColumns} from delivery_logs where subscription_id = $1 and id < $2
             order by id desc limit $5) looked_at
           where $3::attempt_status is null or status = $3
           order by id desc limit $4`,
    values: [page.subscriptionId, page.before, page.status, page.limit, lookedAt],
  })
  return rows
}

/** The id of the last row that `readLog` looks at; undefined: there are fewer. By the index alone. */
export async function readEndOfLook(
  database: Queryable,
  { subscriptionId, before }: Pick<LogPage, 'subscriptionId' | 'before'>,
  lookedAt = lookedAtMax,
): Promise<Uuid | undefined> {
  const { rows } = await database.query<{ id: Uuid }>({
    text: `select id from delivery_logs where subscription_id = $1 and id < $2
           order by id desc offset $3::int - 1 limit 1`,
    values: [subscriptionId, before, lookedAt],
  })
  return rows[0]?.id
}

/** The same for one event, by the index on `webhook_id`, in partitions from the id `since` on. */
export async function readLogOfEvent(
  database: Queryable,
  page: LogPage,
  webhookId: Uuid,
  since: Uuid,
): Promise<readonly AttemptRow[]> {
  const { rows } = await database.query<AttemptRow>({
    text: `select ${attemptColumns} from delivery_logs
           where webhook_id = $5 and id >= $6
             and subscription_id = $1 and id < $2 and ($3::attempt_status is null or status = $3)
           order by id desc limit $4`,
    values: [page.subscriptionId, page.before, page.status, page.limit, webhookId, since],
  })
  return rows
}

/** Whether the log has attempts of a subscription, which may have been deleted. */
export async function isLogged(database: Queryable, subscriptionId: number): Promise<boolean> {
  const { rows } = await database.query<{ logged: boolean }>({
    text: 'select exists (select from delivery_logs where subscription_id = $1) as logged',
    values: [subscriptionId],
  })
  return rows[0]?.logged === true
}

/** The tenant of a subscription, also of one that was deleted; undefined when nothing is known of it. */
export async function readTenantOf(database: Queryable, subscriptionId: number): Promise<string | undefined> {
  const { rows } = await database.query<{ tenant: string }>({
    text: `select tenant from subscriptions where id = $1
           union all
           select tenant from subscription_tombstones where id = $1
           limit 1`,
    values: [subscriptionId],
  })
  return rows[0]?.tenant
}

export interface AcceptedEvent {
  readonly webhook_id: Uuid
  readonly tenant: string
  readonly event_type: string | null
  readonly content_type: string
  readonly size_bytes: number
  readonly subscription_ids: readonly number[]
  /** Its partition was dropped, and the log of that time with it. */
  readonly carried: boolean
}

/** An event without its payload. PostgreSQL knows the length of the payload without reading it. */
export async function readEvent(database: Queryable, webhookId: Uuid): Promise<AcceptedEvent | undefined> {
  const columns =
    'webhook_id, tenant, event_type, content_type, octet_length(payload) as size_bytes, subscription_ids'
  const { rows } = await database.query<AcceptedEvent>({
    text: `select ${columns}, false as carried from events where webhook_id = $1
           union all
           select ${columns}, true from events_carried where webhook_id = $1
           order by carried limit 1`,
    values: [webhookId],
  })
  return rows[0]
}

/** What a filter can see of an event that was accepted. */
export interface FilterableEvent {
  readonly event_type: string | null
  readonly payload: Buffer
  /** What its sender has given; null: nothing. */
  readonly metadata: Readonly<Record<string, unknown>> | null
}

export async function readFilterable(
  database: Queryable,
  reach: Reach,
  webhookId: Uuid,
): Promise<FilterableEvent | undefined> {
  const { rows } = await database.query<FilterableEvent>({
    text: `select event_type, payload, metadata->'given' as metadata from (
             (select tenant, event_type, payload, metadata from events where webhook_id = $1)
             union all
             (select tenant, event_type, payload, metadata from events_carried where webhook_id = $1)) e
           where $2::text is null or tenant = $2 limit 1`,
    values: [webhookId, reach.tenant],
  })
  return rows[0]
}

export interface PendingDelivery {
  readonly subscription_id: number
  /** Not before then. Null: it is not tried as things are, because its subscription is paused, disabled or deleted, or it waits
   * behind another one of its key. */
  readonly due_at: Date | null
  /** Its subscription was deleted, and no process has it in memory any more: it is about to end. */
  readonly is_ending: boolean
}

/**
 * The owed rows of an event. A lane can be closed for longer than a row waits: by a pause, or, in an ordered lane, by the
 * retry of its head. The `due_at` of a head stays as it was, because it is its place in the order.
 */
export async function readOwed(database: Queryable, webhookId: Uuid): Promise<readonly PendingDelivery[]> {
  const { rows } = await database.query<PendingDelivery>({
    text: `select o.subscription_id,
             case when s.paused or s.state = 'disabled' or s.id is null or ${isParked('o')} then null
                  else greatest(o.due_at, l.open_until) end as due_at,
             s.id is null and o.owner is null as is_ending
           from owed o left join lanes l on l.subscription_id = o.subscription_id
             left join subscriptions s on s.id = o.subscription_id
           where o.webhook_id = $1`,
    values: [webhookId],
  })
  return rows
}

/** The newest attempts of an event, newest first. */
export async function readAttempts(
  database: Queryable,
  webhookId: Uuid,
  since: Uuid,
  limit: number,
): Promise<readonly AttemptRow[]> {
  const { rows } = await database.query<AttemptRow>({
    text: `select ${attemptColumns} from delivery_logs
           where webhook_id = $1 and id >= $2
           order by id desc limit $3`,
    values: [webhookId, since, limit],
  })
  return rows
}

export interface VerdictRow {
  readonly subscription_id: number
  readonly verdict: FinalVerdictWord
}

/** The last final verdict of each delivery of an event; no row for those without one. */
export async function readFinalVerdicts(
  database: Queryable,
  webhookId: Uuid,
  since: Uuid,
): Promise<readonly VerdictRow[]> {
  const { rows } = await database.query<VerdictRow>({
    text: `select distinct on (subscription_id) subscription_id, verdict from delivery_logs
           where webhook_id = $1 and id >= $2 and verdict <> 'retry'
           order by subscription_id, id desc`,
    values: [webhookId, since],
  })
  return rows
}

/** An attempt by its id; undefined when there is none. */
export async function readAttempt(database: Queryable, id: Uuid): Promise<AttemptRow | undefined> {
  const { rows } = await database.query<AttemptRow>({
    text: `select ${attemptColumns} from delivery_logs where id = $1`,
    values: [id],
  })
  return rows[0]
}

/** A row of `attempt_details`, as src/log/ writes it. */
export interface StoredDetails extends Pick<ExchangeDetails, 'request' | 'response'> {
  readonly timings: Omit<Timings, 'repeated'> & Partial<Pick<Timings, 'repeated'>>
  readonly response_body: Buffer
  readonly remote_address: string | null
}

/** The details of an attempt; undefined when they were not kept, or were removed by retention. */
export async function readDetails(database: Queryable, id: Uuid): Promise<StoredDetails | undefined> {
  const { rows } = await database.query<StoredDetails>({
    text: 'select request, response, response_body, timings, remote_address from attempt_details where id = $1',
    values: [id],
  })
  return rows[0]
}
