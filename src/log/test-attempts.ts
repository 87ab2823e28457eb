import type { CaptureOf } from '../model/exchange-details.ts'
import type { Outcome } from '../model/outcome.ts'
import type { Uuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'
import { recordAttempts } from './store.ts'

/** An attempt that belongs to no event: somebody has tried a subscription. */
export interface TestAttempt {
  readonly id: Uuid
  readonly webhookId: Uuid
  readonly subscriptionId: number
  /** Unix milliseconds when it ended. */
  readonly at: number
  readonly outcome: Outcome
  /** What the subscription wants to be remembered. */
  readonly capture: CaptureOf
}

/** No process has this number, and no row is owed: nothing but the log is written. */
const nobody = 0

/**
 * Writes an attempt that was a test. Nothing follows from it: a failure is no dead letter, so it says `cancelled` in place of
 * `given_up`.
 */
export async function logTestAttempt(db: Queryable, attempt: TestAttempt): Promise<void> {
  const { id, webhookId, subscriptionId, at, outcome, capture } = attempt
  const failure = outcome.kind === 'accepted' ? undefined : outcome
  const keepsNothing = capture === 'none'
  const quoted =
    keepsNothing && outcome.httpStatus !== undefined ? `HTTP ${outcome.httpStatus}` : failure?.error
  const row = {
    ...{ id, webhookId, subscriptionId, timestamp: at, attempt: 1, trigger: 'test' as const },
    status: failure ? ('failed' as const) : ('success' as const),
    verdict: failure ? ('cancelled' as const) : ('delivered' as const),
    httpStatus: outcome.httpStatus ?? null,
    durationMs: outcome.durationMs,
    nextAt: null,
    error: failure ? (quoted ?? null) : null,
    errorClass: failure?.errorClass ?? null,
    errorCode: failure?.errorCode ?? null,
  }
  const { exchange } = outcome
  await recordAttempts(db, nobody, [row], [], exchange && !keepsNothing ? [{ id, exchange }] : [])
}
