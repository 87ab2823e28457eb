import type { Outcome } from './outcome.ts'
import { retryAfterMoment } from './retry-after.ts'
import { delayAfter, type RetryPolicy } from './retry-policy.ts'

/** What follows from an outcome. */
export type Verdict =
  | { readonly kind: 'delivered' }
  /** Again, not before `dueAt` (Unix milliseconds). */
  | { readonly kind: 'retry'; readonly dueAt: number }
  /** The last attempt the policy allows has failed, or one that ends all: a dead letter, which can be replayed. */
  | { readonly kind: 'given_up' }
  /** Attempts are left, but the next would come later than the policy's or the retention's age limit. */
  | { readonly kind: 'expired' }

export interface VerdictInput {
  readonly outcome: Outcome
  /** How many attempts this run has made, the present one included (a replay begins a new run). */
  readonly attemptsMade: number
  readonly policy: RetryPolicy
  /** Unix milliseconds: now, and the moment after which no attempt may be made. */
  readonly now: number
  readonly expiresAt: number
  /** A number in [0, 1) for the jitter. */
  readonly random: number
}

/** Decides what follows from an attempt. Pure: the same input gives the same verdict. */
export function verdict(input: VerdictInput): Verdict {
  const { outcome, attemptsMade, policy, now, expiresAt, random } = input
  if (outcome.kind === 'success') return { kind: 'delivered' }
  if (attemptsMade >= policy.maxAttempts || isTerminal(outcome, policy)) return { kind: 'given_up' }
  const wanted = outcome.kind === 'refused' ? retryAfterMoment(outcome.retryAfter, now) : undefined
  const dueAt = Math.max(now + delayAfter(attemptsMade, policy, random), wanted ?? 0)
  return dueAt > expiresAt ? { kind: 'expired' } : { kind: 'retry', dueAt }
}

/** 410 Gone always is: the receiver asks to be left alone (Standard Webhooks, CloudEvents). */
function isTerminal(outcome: Outcome, policy: RetryPolicy): boolean {
  if (outcome.kind !== 'refused') return false
  return outcome.httpStatus === 410 || policy.terminalStatuses.includes(outcome.httpStatus)
}
