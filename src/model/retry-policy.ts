/** When a failed delivery is tried again, and for how long. */
export interface RetryPolicy {
  /** Attempts in all, the first included. */
  readonly maxAttempts: number
  /** Delay after the first failed attempt; ignored where `scheduleSeconds` is given. */
  readonly baseSeconds: number
  /** Each further delay is this many times the one before. */
  readonly factor: number
  readonly maxDelaySeconds: number
  /** Explicit delays, the first after attempt 1; replaces the exponential ones. */
  readonly scheduleSeconds: readonly number[] | null
  /** A random part of the delay, up to this share, is added (0.1: 0 to 10 %). Jitter never makes a delay shorter. */
  readonly jitter: number
  /** Statuses after which there is no further attempt, such as 400. */
  readonly terminalStatuses: readonly number[]
  /** No attempt is made later than this after the start of the run (acceptance, or replay); null: see `maxAgeMs`. */
  readonly maxAgeSeconds: number | null
}

/** The default of the service: 5 attempts, at 0, 10, 30, 70 and 150 seconds (10 s × 2ⁿ between them). */
export const defaultRetryPolicy: RetryPolicy = {
  maxAttempts: 5,
  baseSeconds: 10,
  factor: 2,
  maxDelaySeconds: 86_400,
  scheduleSeconds: null,
  jitter: 0,
  terminalStatuses: [],
  maxAgeSeconds: null,
}

const minute = 60
const hour = 3600

/** The example schedule of Standard Webhooks 1.0.0: 10 attempts over 75 h 35 min 5 s, with jitter. */
export const standardRetryPolicy: RetryPolicy = {
  ...defaultRetryPolicy,
  maxAttempts: 10,
  scheduleSeconds: [
    5,
    5 * minute,
    30 * minute,
    2 * hour,
    5 * hour,
    10 * hour,
    14 * hour,
    20 * hour,
    24 * hour,
  ],
  jitter: 0.1,
}

/**
 * Milliseconds from the end of failed attempt number `attempt` (from 1) to the next one.
 *
 * @param random a number in [0, 1): the part of the jitter that is added
 */
export function delayAfter(attempt: number, policy: RetryPolicy, random: number): number {
  const seconds =
    policy.scheduleSeconds === null
      ? Math.min(policy.maxDelaySeconds, policy.baseSeconds * policy.factor ** (attempt - 1))
      : (policy.scheduleSeconds[Math.min(attempt, policy.scheduleSeconds.length) - 1] ?? 0)
  return Math.round(seconds * 1000 * (1 + policy.jitter * random))
}

/** The sum of all delays of a policy with full jitter, in milliseconds. */
export function longestSpan(policy: RetryPolicy): number {
  let total = 0
  for (let attempt = 1; attempt < policy.maxAttempts; attempt++) total += delayAfter(attempt, policy, 1)
  return total
}

/** Added to the sum of delays, because the attempts take time too: the last one of a long schedule must not expire. */
const ageSlackMs = 3_600_000

/**
 * How many milliseconds after its start a run expires: the age in the policy, else the retention of events, or the length
 * of the schedule where that is longer.
 */
export function maxAgeMs(policy: RetryPolicy, retentionMs: number): number {
  if (policy.maxAgeSeconds !== null) return policy.maxAgeSeconds * 1000
  return Math.max(retentionMs, longestSpan(policy) + ageSlackMs)
}
