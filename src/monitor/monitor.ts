import type { Hint } from '../destinations/destination.ts'
import type { Reach } from '../model/caller.ts'
import { loggedFrom } from '../model/logged-from.ts'
import type { AttemptStatus } from '../model/outcome.ts'
import type { FinalVerdictWord } from '../model/verdict.ts'
import { parseUuid, type Uuid, uuidTime } from '../platform/id.ts'
import type { Database, Queryable } from '../platform/postgres.ts'
import type { Attempt, DeliveryReport, DeliveryStatus, EventStatus } from './schema.ts'
import {
  type AcceptedEvent,
  type AttemptRow,
  isLogged,
  type PendingDelivery,
  readAttempts,
  readEndOfLook,
  readEvent,
  readFinalVerdicts,
  readLog,
  readLogOfEvent,
  readOwed,
  readTenantOf,
  type VerdictRow,
} from './store.ts'

/** What the log is read from, and how its failures are explained. */
export interface LogReader {
  readonly database: Database
  /** That of the destination which made the attempts. */
  readonly hint: Hint
}

/** An answer holds at most this many of an event's attempts, the newest. All of them could be megabytes. */
const attemptsMax = 1000

/** Sorts above every id. */
const lastId = 'ffffffff-ffff-ffff-ffff-ffffffffffff' as Uuid // canonical as it stands

export type { AttemptRow } from './store.ts'

export interface LogQuery {
  readonly subscriptionId: number
  readonly limit: number
  /** The id to begin below. */
  readonly before?: Uuid | undefined
  readonly status?: AttemptStatus | undefined
  readonly webhookId?: Uuid | undefined
}

/**
 * Whether the log of a subscription is within a reach, whether the subscription was deleted or not. One of which nothing
 * is known any more is within the reach of operators only.
 */
export async function isWithin(database: Queryable, reach: Reach, subscriptionId: number): Promise<boolean> {
  if (reach.tenant === null) return true
  const tenant = await tenantOf(database, subscriptionId)
  return tenant !== undefined && reach.has(tenant)
}

/** The tenant of a subscription, also of one that was deleted; undefined when nothing is known of it. */
export function tenantOf(database: Queryable, subscriptionId: number): Promise<string | undefined> {
  return readTenantOf(database, subscriptionId)
}

/** A page of the log of a subscription. With a status it may have fewer rows than asked for, or none, though there are more. */
export interface LogRows {
  readonly attempts: readonly Attempt[]
  /** The id below which the next page begins; undefined: this was the last one. */
  readonly next: Uuid | undefined
}

/**
 * The attempts of a subscription, newest first; undefined when the log has none of this subscription, or it is another
 * tenant's.
 */
export async function readLogPage(
  { database, hint }: LogReader,
  reach: Reach,
  query: LogQuery,
  lookedAt?: number,
): Promise<LogRows | undefined> {
  const { subscriptionId, limit, webhookId, before = lastId, status = null } = query
  if (!(await isWithin(database, reach, subscriptionId))) return undefined
  const page = { subscriptionId, before, status, limit: limit + 1 }
  const found =
    webhookId === undefined
      ? await readLog(database, page, lookedAt)
      : await readLogOfEvent(database, page, webhookId, loggedFrom(webhookId))
  if (found.length === 0 && !(await isLogged(database, subscriptionId))) return undefined
  const rows = found.slice(0, limit)
  const last = rows.at(-1)?.id
  const isPart = found.length <= limit && status !== null && webhookId === undefined
  const end = isPart ? await readEndOfLook(database, page, lookedAt) : undefined
  return {
    attempts: rows.map(row => attemptOf(row, hint)),
    // A row that came between the two statements has moved the end: what was read already is not read again.
    next: found.length > limit || (end !== undefined && last !== undefined && last < end) ? last : end,
  }
}

/**
 * The state of every delivery of an event; undefined when there is no such event, it was removed by retention, or it is
 * another tenant's.
 */
export async function readStatus(
  { database, hint }: LogReader,
  reach: Reach,
  webhookId: Uuid,
): Promise<EventStatus | undefined> {
  // Of one moment: else a delivery that is settled in between would be shown as both, or as neither.
  const found = await database.snapshot(async tx => {
    const event = await readEvent(tx, webhookId)
    if (event === undefined || !reach.has(event.tenant)) return undefined
    const since = loggedFrom(webhookId)
    const owed = new Map((await readOwed(tx, webhookId)).map(row => [row.subscription_id, row]))
    const attempts = await readAttempts(tx, webhookId, since, attemptsMax)
    return { event, owed, attempts, verdicts: await readFinalVerdicts(tx, webhookId, since) }
  })
  if (found === undefined) return undefined
  const { event, owed, attempts, verdicts } = found
  const shown = Map.groupBy(
    attempts.toReversed().map(row => attemptOf(row, hint)),
    attempt => attempt.subscription_id,
  )
  const deliveries = deliveriesOf(event, owed, shown, verdicts)
  return {
    webhook_id: webhookId,
    tenant: event.tenant,
    event_type: event.event_type,
    content_type: event.content_type,
    size_bytes: event.size_bytes,
    received_at: new Date(uuidTime(webhookId)).toISOString(),
    status: overall(deliveries.map(delivery => delivery.status)),
    deliveries,
  }
}

function deliveriesOf(
  event: AcceptedEvent,
  owed: ReadonlyMap<number, PendingDelivery>,
  attempts: ReadonlyMap<number, Attempt[]>,
  verdicts: readonly VerdictRow[],
): DeliveryReport[] {
  const ended = new Map(verdicts.map(row => [row.subscription_id, row.verdict]))
  return event.subscription_ids.flatMap(id => {
    const pending = owed.get(id)
    const verdict = ended.get(id)
    // The log of a carried event lacks what was settled before its partition was dropped, so it is left out.
    if (event.carried && pending === undefined && verdict === undefined) return []
    return {
      subscription_id: id,
      status: pending === undefined ? statusAfter(verdict) : pending.is_ending ? 'cancelled' : 'pending',
      attempts: attempts.get(id) ?? [],
      next_attempt_at: pending?.due_at?.toISOString() ?? null,
    }
  })
}

/** How a delivery is that is not owed, after its last final attempt. */
export function statusAfter(verdict: FinalVerdictWord | undefined): DeliveryStatus {
  switch (verdict) {
    case undefined: // neither owed nor ended: `webhooks audit` counts it as missing
      return 'pending'
    case 'delivered':
      return 'success'
    case 'given_up':
    case 'expired':
      return 'failed'
    case 'cancelled':
      return 'cancelled'
  }
}

function overall(statuses: readonly DeliveryStatus[]): DeliveryStatus {
  if (statuses.includes('pending')) return 'pending'
  if (statuses.includes('failed')) return 'failed'
  return statuses.length === 0 || statuses.includes('success') ? 'success' : 'cancelled'
}

/** A row of the log as the API shows it. */
export function attemptOf(row: AttemptRow, hint: Hint): Attempt {
  const { error_class: errorClass, error_code: errorCode, http_status: httpStatus } = row
  return {
    id: row.id,
    subscription_id: row.subscription_id,
    webhook_id: row.webhook_id,
    timestamp: row.timestamp.toISOString(),
    attempt: row.attempt,
    trigger: row.trigger,
    status: row.status,
    http_status: row.http_status,
    error: row.error,
    error_class: row.error_class,
    hint: errorClass === null ? null : hint({ errorClass, errorCode, httpStatus }),
    verdict: row.verdict,
    duration_ms: row.duration_ms,
    next_attempt_at: row.next_at?.toISOString() ?? null,
  }
}

/** The key in a cursor of the log. */
export function parseLogCursor(text: string): Uuid | undefined {
  return parseUuid(text)
}
