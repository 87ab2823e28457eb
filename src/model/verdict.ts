import type { Outcome } from './outcome.ts'
import { delayAfter, type RetryPolicy } from './retry-policy.ts'

/**
 * What followed from an attempt, as the log and the API have it (`verdict`). `cancelled` follows from none: it ends what
 * is owed to a subscription that was deleted.
 */
export const verdictWords = ['delivered', 'retry', 'given_up', 'expired', 'cancelled'] as const
export type VerdictWord = (typeof verdictWords)[number]

/** A verdict after which nothing is owed any more. */
export type FinalVerdictWord = Exclude<VerdictWord, 'retry'>

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
  const { outcome } = input
  switch (outcome.kind) {
    case 'accepted':
      return { kind: 'delivered' }
    case 'gone':
      return { kind: 'given_up' }
    case 'overloaded':
    case 'refused':
      return outcome.isFinal ? { kind: 'given_up' } : again(input, outcome.notBefore)
    case 'unreachable':
      return again(input)
  }
}

/** @param notBefore the receiver wants it no sooner (Unix milliseconds) */
function again(
  { attemptsMade, policy, now, expiresAt, random }: VerdictInput,
  notBefore: number = now,
): Verdict {
  if (attemptsMade >= policy.maxAttempts) return { kind: 'given_up' }
  const dueAt = Math.max(now + delayAfter(attemptsMade, policy, random), notBefore)
  return dueAt > expiresAt ? { kind: 'expired' } : { kind: 'retry', dueAt }
}
