import type { TlsOptions } from 'node:tls'
import type { AttemptDetails } from '../../src/monitor/schema.ts'
import type { Certificates } from './certificates.ts'
import type { Answer } from './misbehaving-receiver.ts'

/** What came, or should come, of the first attempt. */
export interface Finding {
  readonly status: 'success' | 'failed'
  readonly httpStatus: number | null
  readonly errorClass: string | null
  readonly verdict: string
  /** Seconds to the next attempt, to the nearest five; null: there is none. */
  readonly nextInSeconds: number | null
  /** Of the subscription, afterwards. */
  readonly state: string
}

/** Where the receiver is. */
export type Target =
  /** `https` is what the address says; the receiver does not speak TLS, and answers the first bytes. */
  | { readonly kind: 'tcp'; readonly answer: Answer; readonly scheme?: 'https' }
  | { readonly kind: 'tls'; readonly certificate: CertificateName; readonly options?: TlsOptions }
  | { readonly kind: 'closed port' }
  | { readonly kind: 'url'; readonly url: string }

export type CertificateName = Exclude<keyof Certificates, 'authority'>

/** One behaviour of a receiver, and what the service has to make of it. */
export interface Row {
  readonly group: string
  readonly behaviour: string
  readonly target: Target
  readonly expected: Finding
  /**
   * Which service delivers: the usual one; one that trusts the authority of the test; one that may not deliver to
   * private addresses.
   */
  readonly by?: 'usual' | 'trusting' | 'guarded'
  /** The attempt lasts until its deadline: it is given a short one. */
  readonly endsAtDeadline?: true
  /** Whole requests the receiver may see; 1 unless said otherwise. */
  readonly requests?: number
  /** More that has to hold. @returns what is wrong */
  readonly check?: (attempt: AttemptDetails) => string | undefined
  /** For the report: the reason, where it is not plain. */
  readonly why?: string
}

export function delivered(httpStatus: number): Finding {
  return {
    status: 'success',
    httpStatus,
    errorClass: null,
    verdict: 'delivered',
    nextInSeconds: null,
    state: 'active',
  }
}

/** An answer that is not 2xx. The first retry of the default schedule is after 10 s. */
export function refused(httpStatus: number, nextInSeconds = 10): Finding {
  return {
    status: 'failed',
    httpStatus,
    errorClass: 'http',
    verdict: 'retry',
    nextInSeconds,
    state: 'active',
  }
}

export function failed(errorClass: string): Finding {
  return {
    status: 'failed',
    httpStatus: null,
    errorClass,
    verdict: 'retry',
    nextInSeconds: 10,
    state: 'active',
  }
}
