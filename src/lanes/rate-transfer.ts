import type { Member } from '../cluster/membership.ts'
import type { Clock } from '../platform/clock.ts'
import type { Queryable } from '../platform/postgres.ts'
import type { Subscription } from '../subscriptions/subscription.ts'
import { keepRates, type LaneRate, takeRates } from './store.ts'

/** What is known here of how much of a rate limit is used up. */
export interface Rates {
  /** Unix milliseconds from which something may be sent to it; 0: at once. */
  opensAt(subscription: Subscription): number
  /** When the rate limit will have everything again, in Unix milliseconds. */
  fullAt(subscription: Subscription): number
  /** Another process has used it until now. @param fullAt as it left it; Infinity: take it that nothing is left */
  goOn(subscription: Subscription, fullAt: number): void
}

export interface RateTransferDeps {
  readonly connection: Queryable
  readonly clock: Clock
  readonly membership: Pick<Member, 'id'>
  readonly subscription: (id: number) => Subscription | undefined
  readonly rates: Rates
}

/**
 * How long before something may be sent again its lane is read. Shorter than the dispatcher's `parkMs`, or it would give
 * the rows back again; longer than the time between two looks at the lanes, so that the rows are there in time.
 */
const leadMs = 1000

/**
 * A rate limit moves with the lane: the process that leases it goes on with what the last one has left. Otherwise each
 * would begin with the whole rate, and the receiver get twice as much as it may. A process that died has left nothing
 * behind, and the next one begins with a rate that is used up. Lanes without a rate limit cost nothing here.
 */
export class RateTransfer {
  readonly #deps: RateTransferDeps
  readonly #taken = new Set<number>()

  constructor(deps: RateTransferDeps) {
    this.#deps = deps
  }

  /** Lanes were leased. Nothing may be sent from them before `read`. */
  leased(subscriptionIds: readonly number[]): void {
    for (const id of subscriptionIds) this.#taken.add(id)
  }

  /** Reads what was left of the rates of lanes leased since. When it fails it has to be called again. */
  async read(): Promise<void> {
    const { connection, membership, rates } = this.#deps
    const limited = new Map(
      [...this.#limited(this.#taken)].map(subscription => [subscription.id, subscription]),
    )
    if (limited.size > 0) {
      for (const { subscriptionId, fullAt } of await takeRates(connection, membership.id, [
        ...limited.keys(),
      ])) {
        const subscription = limited.get(subscriptionId)
        if (subscription && fullAt !== null) rates.goOn(subscription, fullAt)
      }
    }
    this.#taken.clear()
  }

  /** Lanes are about to be given back, and nothing of them is in flight. */
  async keep(subscriptionIds: readonly number[]): Promise<void> {
    const { connection, membership, rates } = this.#deps
    const kept: LaneRate[] = []
    for (const subscription of this.#limited(subscriptionIds)) {
      kept.push({ subscriptionId: subscription.id, fullAt: Math.ceil(rates.fullAt(subscription)) })
    }
    if (kept.length > 0) await keepRates(connection, membership.id, kept)
  }

  /** This process ends, and all it holds is given back. What is in use until then is not known to the next holder. */
  async leave(subscriptionIds: Iterable<number>): Promise<void> {
    await this.keep([...subscriptionIds].filter(id => this.isUsedUp(id))).catch(() => {})
  }

  /**
   * Nothing of the lane may be sent for a while yet, for its rate is used up. Whoever leased the lane keeps it meanwhile,
   * which costs nothing: given back it would be due, leased, read and given back again, as fast as the database can.
   * What changes the rate changes the answer.
   */
  isUsedUp(subscriptionId: number): boolean {
    const subscription = this.#deps.subscription(subscriptionId)
    if (!subscription?.rateLimit) return false
    return this.#deps.rates.opensAt(subscription) > this.#deps.clock.now() + leadMs
  }

  *#limited(subscriptionIds: Iterable<number>): Generator<Subscription> {
    for (const id of subscriptionIds) {
      const subscription = this.#deps.subscription(id)
      if (subscription?.rateLimit) yield subscription
    }
  }
}
