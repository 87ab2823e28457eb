import { Fifo } from '../platform/fifo.ts'

/** What takes turns: it belongs to a tenant, and is put back by its owner as long as it has more to do. */
export interface Contender {
  readonly tenant: string
}

/**
 * Whose turn is next: round robin over tenants, and over each tenant's subscriptions. A tenant with a thousand
 * busy subscriptions gets as many turns as a tenant with one. O(1) per step; whoever is not in the ring costs nothing.
 */
export class RoundRobin<T extends Contender> {
  readonly #tenants = new Map<string, Fifo<T>>()
  readonly #order = new Fifo<Fifo<T>>()

  add(turn: T): void {
    const waiting = this.#tenants.get(turn.tenant)
    if (waiting) {
      waiting.push(turn)
      return
    }
    const fresh = new Fifo<T>()
    fresh.push(turn)
    this.#tenants.set(turn.tenant, fresh)
    this.#order.push(fresh)
  }

  /** Takes the next one out of the ring. */
  next(): T | undefined {
    const ofTenant = this.#order.shift()
    const turn = ofTenant?.shift()
    if (!ofTenant || !turn) return undefined
    if (ofTenant.length > 0) this.#order.push(ofTenant)
    else this.#tenants.delete(turn.tenant)
    return turn
  }
}
