import type { Queryable } from '../platform/postgres.ts'
import { type FactRow, systemTenant } from './fact.ts'
import { hasFacts, insertFact, lockFacts, removeFacts } from './store.ts'

// A fact is something that a system event will tell of. It is written in the statement that brings it about, so that there is
// exactly one, whatever process dies when. `src/system-events/` turns facts into events.

/**
 * A CTE that notes deliveries that have just been given up, or became too old. Of attempts that a person made as a test
 * nothing is told.
 *
 * @param rows a CTE or table expression with the columns `id` (of the row of the log), `subscription_id`, `webhook_id`, of
 *   deliveries that have ended like that in this statement
 */
export function noteGivenUp(rows: string): string {
  return `
  noted as (
    insert into system_facts (type, at, subscription_id, webhook_id, attempt_id)
    select 'delivery.given_up', now(), subscription_id, webhook_id, id from ${rows})`
}

/**
 * A CTE that notes that subscriptions are disabled, or are well after they were told to fail.
 *
 * @param rows a CTE with the columns `id`, `tenant`, `state` (the new one), `reason`, `failing_since` and `failing_warned` (both
 *   as they were before)
 */
export function noteStates(rows: string): string {
  return `
  noted as (
    insert into system_facts (type, at, subscription_id, data)
    select case when state = 'disabled' then 'subscription.disabled' else 'subscription.recovered' end, now(), id,
      json_build_object('reason', reason, 'failing_since', failing_since,
                        'by', case when state = 'disabled' then null else 'success' end)
    from ${rows}
    where tenant <> '${systemTenant}' and (state = 'disabled' or (state = 'active' and failing_warned > 0)))`
}

/**
 * A CTE that notes that a person has resumed a subscription that was disabled, or told to fail.
 *
 * @param rows as `subscriptions` was before, of one row
 */
export function noteResumed(rows: string): string {
  return `
  noted as (
    insert into system_facts (type, at, subscription_id, data)
    select 'subscription.recovered', now(), id,
      json_build_object('reason', state_reason, 'failing_since', failing_since, 'by', 'resumed')
    from ${rows} where tenant <> '${systemTenant}' and (state = 'disabled' or failing_warned > 0))`
}

/**
 * A CTE that notes that a receiver has failed for a part of the time after which its subscription is disabled.
 *
 * @param rows a CTE with the columns `id`, `tenant`, `failing_since`, `percent` and `disabled_at`
 */
export function noteFailing(rows: string): string {
  return `
  noted as (
    insert into system_facts (type, at, subscription_id, data)
    select 'subscription.failing', now(), id,
      json_build_object('percent', percent, 'failing_since', failing_since, 'disabled_at', disabled_at)
    from ${rows} where tenant <> '${systemTenant}')`
}

/**
 * A CTE that notes that client certificates end soon, or have ended.
 *
 * @param rows a CTE with the columns `id`, `tenant`, `expires_at` and `stage` (2: it has ended)
 */
export function noteCertificates(rows: string): string {
  return `
  noted as (
    insert into system_facts (type, at, subscription_id, data)
    select 'subscription.certificate_expiring', now(), id,
      json_build_object('expires_at', expires_at, 'has_expired', stage = 2)
    from ${rows} where tenant <> '${systemTenant}')`
}

/**
 * A CTE that notes that subscriptions with `inbound` refuse what their providers send.
 *
 * @param rows a CTE with the columns `id`, `tenant`, `preset`, `reason`, `rejected` and `since`
 */
export function noteInboundRejecting(rows: string): string {
  return `
  noted as (
    insert into system_facts (type, at, subscription_id, data)
    select 'subscription.inbound_rejecting', now(), id,
      json_build_object('preset', preset, 'reason', reason, 'rejected', rejected, 'since', since)
    from ${rows} where tenant <> '${systemTenant}')`
}

/** What a source says of the requests that it refuses. */
export interface SourceRejecting {
  readonly tenant: string
  readonly sourceId: string
  readonly name: string
  readonly preset: string
  /** The reason code of the refusals, such as `signature_invalid`, */
  readonly reason: string
  /** how many there were, */
  readonly rejected: number
  /** and since when (Unix milliseconds). */
  readonly since: number
}

/**
 * Notes that a source refuses what its provider sends. To be called in the transaction that marks the source as told of, so
 * that there is one for each time it begins to refuse.
 *
 * @param tx the open transaction
 */
export async function noteSourceRejecting(tx: Queryable, source: SourceRejecting): Promise<void> {
  if (source.tenant === systemTenant) return
  const { tenant, sourceId, name, preset, reason, rejected, since } = source
  await insertFact(tx, 'source.rejecting', {
    ...{ tenant, source_id: sourceId, name, preset, reason, rejected },
    since: new Date(since).toISOString(),
  })
}

/** The oldest facts that nobody else has locked; they are locked until the end of the transaction. */
export function takeFacts(tx: Queryable, limit: number): Promise<readonly FactRow[]> {
  return lockFacts(tx, limit)
}

/** Their events are written in this transaction. */
export function dropFacts(tx: Queryable, ids: readonly string[]): Promise<void> {
  return removeFacts(tx, ids)
}

/** Whether there is anything to tell. */
export function isAnyFact(db: Queryable): Promise<boolean> {
  return hasFacts(db)
}
