import type { Delivery } from './delivery.ts'
import type { Outcome } from './outcome.ts'
import type { LanePause } from './pause.ts'
import type { Verdict } from './verdict.ts'

/**
 * How a delivery leaves memory. What a settlement says of the delivery is written in one transaction, or not at all. The
 * pause of its lane is written before it, on its own: should the process die between the two, the lane waits for
 * nothing, and the delivery is still owed.
 */
export type Settlement =
  /** An attempt was made: it is logged, and the owed row goes (final) or gets its next time (retry). */
  | {
      readonly kind: 'attempted'
      readonly delivery: Delivery
      readonly outcome: Outcome
      readonly verdict: Verdict
      /** Unix milliseconds when the attempt ended. */
      readonly at: number
      /** What it says of the receiver: its lane is closed for a while. */
      readonly pause?: LanePause
      /** A retry keeps its place in the lane, and its lane waits instead (ordered delivery). */
      readonly keepsPlace?: boolean
    }
  /** It ends without an attempt, and the log says why, unless it had ended already. */
  | {
      readonly kind: 'ended'
      readonly delivery: Delivery
      readonly verdict: 'expired' | 'cancelled'
      readonly reason: string
      readonly at: number
    }
  /** No attempt was made or its result is unknown: back to its lane, due at `at`, the attempt not counted. */
  | {
      readonly kind: 'handed_back'
      readonly delivery: Delivery
      readonly at: number
      readonly pause?: LanePause
    }
