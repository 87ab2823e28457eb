import { randomUUID } from 'node:crypto'
import type { Member, Position } from '../cluster/membership.ts'
import type { Clock } from '../platform/clock.ts'
import type { RedisLink } from '../platform/redis.ts'
import type { Subscription } from '../subscriptions/subscription.ts'

export interface ConcurrencyShareDeps {
  readonly clock: Clock
  readonly membership: Pick<Member, 'position'>
  readonly subscription: (id: number) => Subscription | undefined
  /** Attempts to a subscription that are in flight here. */
  readonly inFlight: (subscriptionId: number) => number
  /** There may be more slots for a subscription than a moment ago. */
  readonly mayHaveMore: (subscriptionId: number) => void
  /** Without it each process keeps to its share. */
  readonly link?: Pick<RedisLink, 'isUsable' | 'publish' | 'subscribe'> | undefined
  /** How long attempts may be started on a loan. */
  readonly loanMs?: number
  /** How far the clocks of two processes may be apart, and an attempt may go beyond its timeout. */
  readonly marginMs?: number
}

type Message = { readonly sub: number; readonly from: string } & (
  | { readonly kind: 'want' }
  | {
      readonly kind: 'lend'
      readonly to: string
      readonly id: string
      readonly slots: number
      readonly until: number
    }
  | { readonly kind: 'renew' | 'back'; readonly to: string; readonly id: string }
)

const channel = 'concurrency'
const tickMs = 100
const askEveryMs = 250

/** Who has waited for a slot within this lends none, and gives none back. */
const wantedMs = 1000

/**
 * How much of a subscription's `max_in_flight` this process may use, such that all together never use more than that. A
 * slot is the right to have one attempt in flight. Each process has its share of them, which is its own without asking
 * anybody. Over Redis one that is short asks the others, and those that do not need theirs lend it for some seconds, all
 * but one slot.
 *
 * It matters where one process has nearly all deliveries of a subscription: one of several that accept events gets them,
 * or a backlog is in the lane, which one process leases. With 10 slots and a receiver that takes 100 ms one of 2
 * processes makes 48 deliveries a second with its share and 74 with loans, one of 4 makes 26 and 47
 * (`npm run bench:roles -- shares`). An api that chooses workers spreads its deliveries, and all slots are used anyway.
 *
 * Redis only carries the words: who has lent knows it, and keeps to it until the agreed time, whatever gets lost. So a
 * lost message, an emptied or a dead Redis or a dead process makes slots idle for a while, and never makes more of
 * them. Nothing is started on a loan that could outlast it (`startUntil`).
 */
export class ConcurrencyShare {
  readonly #deps: ConcurrencyShareDeps
  readonly #me = randomUUID()
  readonly #loansOf = new Map<number, Loans>()
  readonly #loanMs: number
  readonly #marginMs: number
  readonly #unsubscribe: () => void
  #timer: NodeJS.Timeout | undefined
  #loansMade = 0

  constructor(deps: ConcurrencyShareDeps) {
    this.#deps = deps
    this.#loanMs = deps.loanMs ?? 5000
    this.#marginMs = deps.marginMs ?? 1000
    this.#unsubscribe = deps.link?.subscribe(channel, text => this.#hear(text)) ?? (() => {})
  }

  /** How many attempts may be in flight here now. */
  cap(subscription: Subscription): number {
    const { count, index } = this.#deps.membership.position
    const { maxInFlight } = subscription
    if (count <= 1 || isLaneOnly(subscription, count)) return maxInFlight
    const share = shareOf(maxInFlight, count, index)
    const loans = this.#loansOf.get(subscription.id)
    return loans ? loans.allowed(share, count, this.#deps.clock.now()) : share
  }

  /** This process's own part of a number that all share; 1 at least. */
  partOf(number: number): number {
    return partOf(number, this.#deps.membership.position)
  }

  /** A delivery waits because `cap` is reached: asks the others for slots. */
  ask(subscription: Subscription): void {
    const { link, membership, clock } = this.#deps
    const { count } = membership.position
    if (!link || count <= 1 || isLaneOnly(subscription, count)) return
    const now = clock.now()
    const loans = this.#openLoans(subscription.id)
    loans.wantedAt = now
    if (now - loans.askedAt < askEveryMs || !link.isUsable) return
    loans.askedAt = now
    this.#say({ kind: 'want', sub: subscription.id, from: this.#me })
  }

  /** Lends and borrows no more. What was lent is kept to by the others until its time. */
  close(): void {
    this.#unsubscribe()
    clearInterval(this.#timer)
  }

  #openLoans(subscriptionId: number): Loans {
    const known = this.#loansOf.get(subscriptionId)
    if (known) return known
    const loans = new Loans()
    this.#loansOf.set(subscriptionId, loans)
    this.#timer ??= setInterval(() => this.#tick(), tickMs).unref()
    return loans
  }

  #hear(text: string): void {
    const message = JSON.parse(text) as Message // of our own kind: the channel carries the installation's prefix
    if (message.from === this.#me || (message.kind !== 'want' && message.to !== this.#me)) return
    const subscription = this.#deps.subscription(message.sub)
    if (!subscription) return
    if (message.kind === 'want') this.#wanted(subscription, message.from)
    else if (message.kind === 'lend') this.#borrow(subscription, message)
    else if (message.kind === 'renew') this.#renew(subscription, message.id)
    else if (this.#loansOf.get(message.sub)?.lent.delete(message.id)) this.#deps.mayHaveMore(message.sub)
  }

  /** Another one is short: it gets back what it has lent to us, or half of what we can spare. */
  #wanted(subscription: Subscription, peer: string): void {
    const { clock, membership, inFlight } = this.#deps
    const { count, index } = membership.position
    if (count <= 1 || isLaneOnly(subscription, count)) return
    const known = this.#loansOf.get(subscription.id)
    if (known && known.borrowed.size > 0) {
      for (const loan of known.borrowed.values()) if (loan.peer === peer) loan.recalled = true
      this.#settle(subscription, known)
      return
    }
    const now = clock.now()
    if (known && now - known.wantedAt < wantedMs) return
    const share = shareOf(subscription.maxInFlight, count, index)
    const spare = share - (known?.lentOut(now) ?? 0) - Math.max(1, inFlight(subscription.id))
    if (spare <= 0) return
    const id = `${this.#me}.${++this.#loansMade}`
    const until = this.#endOfLoan(subscription, now)
    const slots = Math.ceil(spare / 2) // more at the next asking: so several who ask get some each
    // First for ourselves, then for the other: never is it both ours and theirs.
    this.#openLoans(subscription.id).lent.set(id, this.#loan({ id, peer, slots, until, count }, subscription))
    this.#say({ kind: 'lend', sub: subscription.id, from: this.#me, to: peer, id, slots, until })
  }

  #borrow(subscription: Subscription, message: Message & { readonly kind: 'lend' }): void {
    const { id, slots, until, from: peer } = message
    const loans = this.#openLoans(subscription.id)
    const loan = this.#loan(
      { id, peer, slots, until, count: this.#deps.membership.position.count },
      subscription,
    )
    const known = loans.borrowed.get(id)
    if (known) Object.assign(known, { until, startUntil: loan.startUntil })
    else loans.borrowed.set(id, loan)
    this.#deps.mayHaveMore(subscription.id)
  }

  #renew(subscription: Subscription, id: string): void {
    const now = this.#deps.clock.now()
    const loans = this.#loansOf.get(subscription.id)
    const loan = loans?.lent.get(id)
    if (!loans || !loan || loan.until <= now || now - loans.wantedAt < wantedMs) return
    loan.until = this.#endOfLoan(subscription, now)
    const { peer, slots, until } = loan
    this.#say({ kind: 'lend', sub: subscription.id, from: this.#me, to: peer, id, slots, until })
  }

  #endOfLoan({ timeoutMs }: Subscription, now: number): number {
    return now + this.#loanMs + timeoutMs + 2 * this.#marginMs
  }

  #loan(what: Pick<Loan, 'id' | 'peer' | 'slots' | 'until' | 'count'>, { timeoutMs }: Subscription): Loan {
    const startUntil = what.until - timeoutMs - this.#marginMs
    return { ...what, startUntil, recalled: false, renewAskedAt: Number.NEGATIVE_INFINITY }
  }

  /** Looks after all loans while there are any. */
  #tick(): void {
    const now = this.#deps.clock.now()
    for (const [id, loans] of this.#loansOf) {
      if (loans.expire(now)) this.#deps.mayHaveMore(id)
      const subscription = this.#deps.subscription(id)
      if (subscription) this.#settle(subscription, loans)
      const isIdle = now - loans.wantedAt > wantedMs
      if (isIdle && loans.lent.size === 0 && loans.borrowed.size === 0) this.#loansOf.delete(id)
    }
    if (this.#loansOf.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  /** Asks for more time for what is needed, and gives back what is not, or is wanted back and free. */
  #settle(subscription: Subscription, loans: Loans): void {
    const { clock, membership, inFlight } = this.#deps
    const { count, index } = membership.position
    const now = clock.now()
    const share = shareOf(subscription.maxInFlight, count, index)
    const about = { sub: subscription.id, from: this.#me }
    for (const loan of loans.borrowed.values()) {
      const isFree = inFlight(subscription.id) <= loans.allowed(share, count, now, loan)
      if (isFree && (loan.recalled || now - loans.wantedAt > wantedMs)) {
        loans.borrowed.delete(loan.id)
        this.#say({ kind: 'back', ...about, to: loan.peer, id: loan.id })
      } else if (
        !loan.recalled &&
        loan.startUntil - now < this.#loanMs / 2 &&
        now - loan.renewAskedAt > askEveryMs
      ) {
        loan.renewAskedAt = now
        this.#say({ kind: 'renew', ...about, to: loan.peer, id: loan.id })
      }
    }
  }

  #say(message: Message): void {
    this.#deps.link?.publish(channel, JSON.stringify(message))
  }
}

/** Slots that one process lets another have, for a while. */
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
export class Loans {
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
export function isLaneOnly(
  { ordered, orderingKey, rateLimit, maxInFlight }: Subscription,
  count: number,
): boolean {
  return ordered || orderingKey !== null || rateLimit !== null || maxInFlight < count
}

/** The part of `max` that is a process's own, and 1 where there is not even that for each. */
export function partOf(max: number, { count, index }: Position): number {
  return count <= 1 ? max : Math.max(1, shareOf(max, count, index))
}

/** The part of `max` that is a process's own. The remainder goes to the first ones, so that all of it is somebody's. */
export function shareOf(max: number, count: number, index: number): number {
  return Math.floor(max / count) + (index < max % count ? 1 : 0)
}
