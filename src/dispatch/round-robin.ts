import { Fifo } from '../platform/fifo.ts'

/** What takes turns: it belongs to a tenant, and is put back by its owner as long as it has more to do. */
export interface Contender {
  readonly tenant: string
}

/**
 * At most this many tenants that have no turn at present keep their queue. A Map that gets and loses an entry with each
 * event makes the events live longer: see `UnorderedList`.
 */
const idleMax = 100

/**
 * Whose turn is next: round robin over tenants, and over each tenant's subscriptions. A tenant with a thousand
 * busy subscriptions gets as many turns as a tenant with one. O(1) per step.
 */
export class RoundRobin<T extends Contender> {
  readonly #tenants = new Map<string, Fifo<T>>()
  /** Those of the tenants that have something in them. */
  readonly #order = new Fifo<Fifo<T>>()

  add(turn: T): void {
    const ofTenant = this.#tenants.get(turn.tenant) ?? this.#enter(turn.tenant)
    ofTenant.push(turn)
    if (ofTenant.length === 1) this.#order.push(ofTenant)
  }

  /** Takes the next one out of the ring. */
  next(): T | undefined {
    const ofTenant = this.#order.shift()
    const turn = ofTenant?.shift()
    if (!ofTenant || !turn) return undefined
    if (ofTenant.length > 0) this.#order.push(ofTenant)
    else if (this.#tenants.size - this.#order.length > idleMax) this.#tenants.delete(turn.tenant)
    return turn
  }

  #enter(tenant: string): Fifo<T> {
    const fresh = new Fifo<T>()
    this.#tenants.set(tenant, fresh)
    return fresh
  }
}
