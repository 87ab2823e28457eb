import type { Subscription } from '../subscriptions/subscription.ts'

/** So many attempts in flight that one process lets another have, for a while. */
export interface Loan {
  readonly id: string
  /** The other process. */
  readonly peer: string
  readonly slots: number
  /** Unix milliseconds, on the clock that all processes share: from then on they are the lender's again. */
  until: number
  /** Borrowed only: nothing is started on it from then on, so that all that was started has ended at `until`. */
  startUntil: number
  /** Borrowed only: the lender wants it back. */
  recalled: boolean
  /** Borrowed only: how many processes delivered then; with another number the shares are others, and the loan is void. */
  readonly count: number
  renewAskedAt: number
}

/** What this process has lent and borrowed of one subscription. */
export class SlotsAccount {
  readonly lent = new Map<string, Loan>()
  readonly borrowed = new Map<string, Loan>()
  /** When a delivery last had to wait for a slot here. */
  wantedAt = Number.NEGATIVE_INFINITY
  askedAt = Number.NEGATIVE_INFINITY

  /** How many may be in flight here. @param but a loan that is not counted */
  allowed(share: number, count: number, now: number, but?: Loan): number {
    let slots = share - this.lentOut(now)
    for (const loan of this.borrowed.values()) {
      if (loan !== but && loan.count === count && !loan.recalled && now < loan.startUntil) slots += loan.slots
    }
    return Math.max(0, slots)
  }

  lentOut(now: number): number {
    let slots = 0
    for (const loan of this.lent.values()) if (now < loan.until) slots += loan.slots
    return slots
  }

  /** Forgets what has run out. @returns whether any of it comes back to this process */
  expire(now: number): boolean {
    for (const { id, until } of this.borrowed.values()) if (until <= now) this.borrowed.delete(id)
    const before = this.lent.size
    for (const { id, until } of this.lent.values()) if (until <= now) this.lent.delete(id)
    return this.lent.size < before
  }
}

/**
 * Whether all deliveries of a subscription have to go through its lane, which one process at a time has leased: because
 * of their order or rate, or because there is not even one slot for each of the processes that deliver.
 *
 * @param count processes that deliver
 */
export function isLaneOnly({ ordered, rateLimit, maxInFlight }: Subscription, count: number): boolean {
  return ordered || rateLimit !== null || maxInFlight < count
}

/** The part of `max` that is a process's own. The remainder goes to the first ones, so that all of it is somebody's. */
export function shareOf(max: number, count: number, rank: number): number {
  return Math.floor(max / count) + (rank < max % count ? 1 : 0)
}
