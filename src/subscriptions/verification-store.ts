import type { Queryable } from '../platform/postgres.ts'
import { columns, only, type SubscriptionRow } from './store.ts'
import { unverifiedReason, type Verification } from './verification.ts'

/** From now on nothing is sent to it until its receiver has been asked. Its row is locked, and there. */
export async function demandVerification(
  tx: Queryable,
  id: number,
  method: Verification['method'],
): Promise<SubscriptionRow> {
  const pending: Verification = {
    ...{ state: 'pending', method, asked_at: null, verified_at: null, reason: null },
    allowed_per_minute: null,
  }
  const { rows } = await tx.query<SubscriptionRow>({
    text: `
      update subscriptions set
        state = 'disabled', state_reason = $2, verification = $3, failing_since = null, failing_warned = 0,
        state_since = greatest(clock_timestamp(), state_since + interval '1 ms')
      where id = $1 returning ${columns}`,
    values: [id, unverifiedReason, JSON.stringify(pending)],
  })
  return only(rows)
}

/**
 * Those whose receiver was to be asked before a moment, and has neither said yes nor no. Probes an index of these few. Of each
 * tenant the first, then the second: one with many, of which a few may be asked in a minute, keeps no other waiting.
 */
export async function readPending(db: Queryable, before: Date, most: number): Promise<readonly number[]> {
  const { rows } = await db.query<{ id: number }>({
    text: `
      select id from (
        select id, row_number() over (partition by tenant order by id) as place from subscriptions
        where verification->>'state' = 'pending'
          and coalesce((verification->>'asked_at')::timestamptz, state_since) < $1) pending
      order by place, id limit $2`,
    values: [before, most],
  })
  return rows.map(({ id }) => id)
}

/** Writes what is known of its verification; the state stays. */
export async function setVerification(
  tx: Queryable,
  id: number,
  verification: Verification | null,
): Promise<SubscriptionRow> {
  const { rows } = await tx.query<SubscriptionRow>({
    text: `
      update subscriptions set verification = $2, state_since = greatest(clock_timestamp(), state_since + interval '1 ms')
      where id = $1 returning ${columns}`,
    values: [id, verification && JSON.stringify(verification)],
  })
  return only(rows)
}

/** It is active from now on. Its row is locked, and there. */
export async function activateVerified(
  tx: Queryable,
  id: number,
  verification: Verification,
): Promise<SubscriptionRow> {
  const { rows } = await tx.query<SubscriptionRow>({
    text: `
      update subscriptions set
        state = 'active', state_reason = null, verification = $2, updated_at = now(),
        state_since = greatest(clock_timestamp(), state_since + interval '1 ms')
      where id = $1 returning ${columns}`,
    values: [id, JSON.stringify(verification)],
  })
  return only(rows)
}
