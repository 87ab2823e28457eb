import type { Queryable } from '../platform/postgres.ts'
import type { SubscriptionState } from './schema.ts'

/**
 * Moves a subscription to a state when it is in one of `from`, and tells all processes. `failing_since` is kept until
 * the state is active again.
 *
 * @returns false when there is no such subscription, or it is in another state
 */
export async function moveState(
  tx: Queryable,
  id: number,
  from: readonly SubscriptionState[],
  to: SubscriptionState,
  reason: string | null,
): Promise<boolean> {
  const { rowCount } = await tx.query({
    text: `
      with moved as (
        update subscriptions set
          state = $3, state_reason = $4, state_since = now(), updated_at = now(), version = version + 1,
          failing_since = case when $3 = 'active' then null else coalesce(failing_since, now()) end,
          failing_warned = case when $3 = 'active' then 0 else failing_warned end
        where id = $1 and state = any($2) returning id)
      select pg_notify('subscriptions', id::text) from moved`,
    values: [id, [...from], to, reason],
  })
  return rowCount > 0
}

/** A subscription whose receiver has had no success since `failing_since`. */
export interface Failing {
  readonly id: number
  /** Of the time after which it is disabled, in percent. */
  readonly percent: number
  /** The last percentage that was warned of; 0: none. */
  readonly warned: number
}

/** Those that have failed for at least half of the time after which they are disabled. */
export async function readFailing(db: Queryable, disableAfterHours: number): Promise<readonly Failing[]> {
  const { rows } = await db.query<{ id: number; percent: number; failing_warned: number }>({
    text: `
      select id, failing_warned,
             floor(extract(epoch from now() - failing_since) / ($1::float8 * 36))::int as percent
      from subscriptions
      where failing_since < now() - make_interval(secs => $1::float8 * 1800) and state in ('degraded', 'circuit_open')`,
    values: [disableAfterHours],
  })
  return rows.map(row => ({ id: row.id, percent: row.percent, warned: row.failing_warned }))
}

/** @returns false when another process has warned already */
export async function markWarned(db: Queryable, id: number, percent: number): Promise<boolean> {
  const { rowCount } = await db.query({
    text: 'update subscriptions set failing_warned = $2 where id = $1 and failing_warned < $2',
    values: [id, percent],
  })
  return rowCount > 0
}

/** An operator resumes it: active, and not paused. @returns false when there is none */
export async function resumeSubscription(tx: Queryable, id: number): Promise<boolean> {
  const { rowCount } = await tx.query({
    text: `
      with resumed as (
        update subscriptions set
          paused = false, state = 'active', state_reason = null, state_since = now(), updated_at = now(),
          version = version + 1, failing_since = null, failing_warned = 0
        where id = $1 returning id)
      select pg_notify('subscriptions', id::text) from resumed`,
    values: [id],
  })
  return rowCount > 0
}
