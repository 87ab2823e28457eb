import type { ExchangeDetails } from './exchange-details.ts'

/** Why an attempt failed, as a caller sees it (requirements of the log: one word per kind of cause). */
export type ErrorClass = 'dns' | 'connect' | 'tls' | 'timeout' | 'http' | 'blocked' | 'invalid' | 'proxy'

/**
 * What one attempt came to. A value, not an exception: failing receivers are the normal case. `exchange` is what is
 * remembered of request and answer, where that is asked for.
 */
export type Outcome =
  | {
      readonly kind: 'success'
      readonly httpStatus: number
      readonly durationMs: number
      readonly exchange?: ExchangeDetails
    }
  /** The receiver answered, but not with 2xx. */
  | {
      readonly kind: 'refused'
      readonly httpStatus: number
      readonly error: string
      /** The header `Retry-After` as it came. */
      readonly retryAfter?: string
      readonly durationMs: number
      readonly exchange?: ExchangeDetails
    }
  /** No (complete) answer. */
  | {
      readonly kind: 'failed'
      readonly errorClass: ErrorClass
      /** What Node or undici call it, such as ENOTFOUND; finer than the class. */
      readonly errorCode?: string
      readonly error: string
      readonly durationMs: number
      readonly exchange?: ExchangeDetails
    }

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
