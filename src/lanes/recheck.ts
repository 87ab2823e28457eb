import type { Queryable } from '../platform/postgres.ts'
import { wakeOwing } from './store.ts'

/** Lanes remembered, at most; those beyond are left to the repair of each minute. */
const lanesMax = 20_000

/**
 * Looks once more at lanes that were given back empty. An inserter that found a lane due leaves it alone; if the lane
 * is leased, found empty and given back before that inserter commits, nothing points to its row. So a lane is looked
 * at again when any statement that was under way then is over. Locking the lane in every insert would do as well, but
 * make inserters wait for each other.
 */
export class Recheck {
  readonly #connection: Queryable
  readonly #statementMsMax: number
  /** Oldest first. */
  readonly #lanes: { readonly id: number; readonly at: number }[] = []

  readonly #sinceOf: (subscriptionId: number) => number
  readonly #monotonicNow: () => number

  /**
   * @param statementMsMax no statement of an inserter takes longer
   * @param sinceOf nothing in the lane is due before this, in flight or not: it is looked at from there
   * @param monotonicNow milliseconds that never jump; replaced in tests
   */
  constructor(
    connection: Queryable,
    statementMsMax: number,
    sinceOf: (subscriptionId: number) => number = () => 0,
    monotonicNow = () => performance.now(),
  ) {
    this.#connection = connection
    this.#statementMsMax = statementMsMax
    this.#sinceOf = sinceOf
    this.#monotonicNow = monotonicNow
  }

  add(subscriptionIds: readonly number[]): void {
    const at = this.#monotonicNow()
    for (const id of subscriptionIds) if (this.#lanes.length < lanesMax) this.#lanes.push({ id, at })
  }

  async look(): Promise<void> {
    const ripe = this.#monotonicNow() - this.#statementMsMax
    const young = this.#lanes.findIndex(({ at }) => at > ripe)
    const old = this.#lanes.slice(0, young === -1 ? undefined : young)
    if (old.length === 0) return
    const ids = [...new Set(old.map(({ id }) => id))].sort((a, b) => a - b)
    await wakeOwing(this.#connection, ids, this.#sinceOf)
    this.#lanes.splice(0, old.length)
  }
}
