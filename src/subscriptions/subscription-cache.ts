import type { SubscriptionRow } from './store.ts'
import type { Subscription } from './subscription.ts'

/** Told of every change of the cache: made (no `before`), changed, or gone (no `now`). Must not throw. */
export type ChangeListener = (
  id: number,
  now: Subscription | undefined,
  before: Subscription | undefined,
) => void

/**
 * The copy of all subscriptions in memory. Versions only grow, with one version each state is younger than the one before,
 * and ids are never used twice: so rows may be taken twice and in any order.
 *
 * A deletion leaves no version to compare with. So rows are read and taken within `reading`: while it runs, deletions
 * are remembered, and a row that was read before its deletion is not taken after it.
 */
export class SubscriptionCache {
  /** @returns undefined when the row cannot be opened; then the copy keeps what it had */
  readonly #open: (row: SubscriptionRow) => Subscription | undefined
  readonly #byId = new Map<number, Subscription>()
  readonly #listeners = new Set<ChangeListener>()
  #readings = 0
  readonly #removedMeanwhile = new Set<number>()

  constructor(open: (row: SubscriptionRow) => Subscription | undefined) {
    this.#open = open
  }

  get(id: number): Subscription | undefined {
    return this.#byId.get(id)
  }

  values(): IterableIterator<Subscription> {
    return this.#byId.values()
  }

  ids(): Set<number> {
    return new Set(this.#byId.keys())
  }

  /** @returns a function that ends the listening */
  onChange(listener: ChangeListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Runs `read`, which reads rows and takes them. */
  async reading<T>(read: () => Promise<T>): Promise<T> {
    this.#readings++
    try {
      return await read()
    } finally {
      this.#readings--
      if (this.#readings === 0) this.#removedMeanwhile.clear()
    }
  }

  take(row: SubscriptionRow): void {
    const before = this.#byId.get(row.id)
    if (this.#removedMeanwhile.has(row.id) || (before !== undefined && !isNewer(row, before))) return
    const now = this.#open(row)
    if (now === undefined) return
    this.#byId.set(row.id, now)
    for (const listener of this.#listeners) listener(row.id, now, before)
  }

  drop(id: number): void {
    if (this.#readings > 0) this.#removedMeanwhile.add(id)
    const before = this.#byId.get(id)
    if (before === undefined) return
    this.#byId.delete(id)
    for (const listener of this.#listeners) listener(id, undefined, before)
  }
}

function isNewer(row: SubscriptionRow, than: Subscription): boolean {
  if (row.version !== than.version) return row.version > than.version
  return row.state_since.getTime() > than.stateSince
}
