import type { ExchangeDetails } from './exchange-details.ts'

/** Why an attempt failed, as a caller sees it: one word for each kind of cause (`error_class` in the log and the API). */
export const errorClasses = [
  'dns',
  'connect',
  'tls',
  'timeout',
  'http',
  'blocked',
  'invalid',
  'proxy',
  'credentials',
] as const
export type ErrorClass = (typeof errorClasses)[number]

/** Whether an attempt was accepted (`status` in the log and the API). */
export const attemptStatuses = ['success', 'failed'] as const
export type AttemptStatus = (typeof attemptStatuses)[number]

/**
 * Who is at fault when nothing came back.
 *
 * - `receiver`: it could not be connected to, did not answer in time, or did not speak its protocol.
 * - `name`: the name of its host leads nowhere.
 * - `rules`: the operator does not let deliveries go to its address.
 * - `proxy`: the proxy between this service and the receiver did not get through. It may be the fault of either, so it
 *   says nothing of the receiver.
 * - `credentials`: the server that gives access tokens for the receiver gave none. The receiver was not asked, and it says
 *   nothing of it.
 * - `ours`: this service could not send at all. The receiver was not asked, so that no attempt is to be spent.
 */
export type Fault = 'receiver' | 'name' | 'rules' | 'proxy' | 'credentials' | 'ours'

/** What an outcome has besides its word. The log keeps it; no part of the service decides anything by it. */
export interface OutcomeFacts {
  readonly durationMs: number
  /** Left out where nothing was answered, or by a destination that does not speak HTTP. */
  readonly httpStatus?: number
  /** Request and answer, where they are to be remembered. */
  readonly exchange?: ExchangeDetails
  /** The message was sent twice, within this one attempt; see `Timings.repeated`. */
  readonly isRepeated?: boolean
}

/** The same of everything but a success. */
export interface FailureFacts extends OutcomeFacts {
  readonly errorClass: ErrorClass
  /** As the library underneath names it, such as ENOTFOUND; finer than the class. */
  readonly errorCode?: string
  /** At most 200 characters; see `errorText`. */
  readonly error: string
}

/** Of an answer that is not the last word on the delivery, unless it says so. */
interface MaybeAgain {
  /** By the rules of the subscription there is no further attempt of this delivery. */
  readonly isFinal: boolean
  /** Unix milliseconds before which it wants nothing more; left out when it did not say. */
  readonly notBefore?: number
}

/**
 * What one attempt came to, in words that hold for every kind of destination. A value, not an exception: failing
 * receivers are the normal case. Throttle and verdict decide by these words alone.
 */
export type Outcome =
  /** It has the delivery. */
  | ({ readonly kind: 'accepted' } & OutcomeFacts)
  /** It has too much to do. `notBefore` holds for everything that is owed to it. */
  | ({ readonly kind: 'overloaded' } & MaybeAgain & FailureFacts)
  /** It is gone for good: it wants neither this delivery nor another one. */
  | ({ readonly kind: 'gone' /** In words for its owner. */; readonly reason: string } & FailureFacts)
  /** It answered that it does not take this delivery. `notBefore` holds for this delivery only. */
  | ({ readonly kind: 'refused' } & MaybeAgain & FailureFacts)
  /** There was no answer, or none that is complete enough to be one. */
  | ({ readonly kind: 'unreachable'; readonly fault: Fault } & FailureFacts)

/** The column `error` holds at most this many characters, as in the seed. */
const errorCharsMax = 200

/**
 * Makes any text fit for the log: at most 200 characters, no NUL (PostgreSQL text cannot hold it) and no control
 * characters, cut between code points.
 */
export function errorText(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is removed
  const clean = text.replace(/[\u0000-\u001f\u007f]+/g, ' ').trim()
  if (clean.length <= errorCharsMax) return clean.toWellFormed()
  return Array.from(clean.slice(0, errorCharsMax * 2))
    .slice(0, errorCharsMax)
    .join('')
    .toWellFormed()
}
