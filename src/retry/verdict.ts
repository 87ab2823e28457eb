import type { Outcome } from '../deliver/outcome.ts'
import { delayAfter, type RetryPolicy } from './schedule.ts'

/** What follows from an outcome. */
export type Verdict =
  | { readonly kind: 'delivered' }
  /** Again, not before `dueAt` (Unix milliseconds). */
  | { readonly kind: 'retry'; readonly dueAt: number }
  /** The last attempt the policy allows has failed: a dead letter, which can be replayed. */
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
  if (attemptsMade >= policy.maxAttempts) return { kind: 'given_up' }
  const dueAt = now + delayAfter(attemptsMade, policy, random)
  return dueAt > expiresAt ? { kind: 'expired' } : { kind: 'retry', dueAt }
}
