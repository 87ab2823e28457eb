import type { Outcome } from '../../model/outcome.ts'
import { retryAfterMoment } from './retry-after.ts'

/** An answer that is not 2xx, as far as anything is decided by it. */
export interface Refusal {
  readonly status: number
  /** The header `Retry-After` as it came. */
  readonly retryAfter: string | undefined
}

type WordOfRefusal =
  | Pick<Extract<Outcome, { kind: 'overloaded' | 'refused' }>, 'kind' | 'isFinal' | 'notBefore'>
  | Pick<Extract<Outcome, { kind: 'gone' }>, 'kind' | 'reason'>

/** Statuses by which a receiver (or what stands before it) says that it has too much to do. */
const overloaded: ReadonlySet<number> = new Set([429, 502, 503, 504])

/** The receiver asks to be left alone for good (Standard Webhooks, CloudEvents). */
const gone = 410

/**
 * Says in neutral words what a status means.
 *
 * @param terminalStatuses after these the subscription wants no further attempt
 * @param now Unix milliseconds
 */
export function wordOf(
  { status, retryAfter }: Refusal,
  terminalStatuses: readonly number[],
  now: number,
): WordOfRefusal {
  if (status === gone) return { kind: 'gone', reason: 'the receiver answered 410 Gone' }
  const kind = overloaded.has(status) ? 'overloaded' : 'refused'
  const isFinal = terminalStatuses.includes(status)
  const notBefore = retryAfterMoment(retryAfter, now)
  return notBefore === undefined ? { kind, isFinal } : { kind, isFinal, notBefore }
}
