import { isNewer, type PackedSubscription } from './store.ts'
import type { Subscription } from './subscription.ts'

/** Told of every change of the cache: made or changed, or gone (no `now`). Must not throw. */
export type ChangeListener = (id: number, now: Subscription | undefined) => void

/** Told of every change of a packed text, before the listeners are. Must not throw. */
export type TextListener = (id: number, now: string | undefined, before: string | undefined) => void

/** Subscriptions that are kept ready for use: the last ones that were used. */
const readyMax = 10_000

/**
 * The copy of all subscriptions in memory: packed, as one text each, since of very many only some are used at a time.
 * What the path of an event needs of one, its keys above all, is made at its first use, and kept for the 10,000 to
 * 20,000 that were used last.
 *
 * Versions only grow, with one version each state is younger than the one before, and ids are never used twice: so rows
 * may be taken twice and in any order. A deletion leaves no
 * version to compare with. So rows are read and taken within `reading`: while it runs, deletions are remembered, and a
 * row that was read before its deletion is not taken after it.
 */
export class SubscriptionCache {
  readonly #open: (id: number, packed: string) => Subscription | undefined
  readonly #textChanged: TextListener
  readonly #packed = new Map<number, string>()
  /** Two generations: when the younger is full the older is forgotten. Null: it cannot be opened. */
  #ready = new Map<number, Subscription | null>()
  #readyBefore = new Map<number, Subscription | null>()
  readonly #listeners = new Set<ChangeListener>()
  #readings = 0
  readonly #removedMeanwhile = new Set<number>()

  /** @param open makes one ready; undefined when it cannot be opened */
  constructor(
    open: (id: number, packed: string) => Subscription | undefined,
    textChanged: TextListener = () => {},
  ) {
    this.#open = open
    this.#textChanged = textChanged
  }

  get(id: number): Subscription | undefined {
    return (this.#ready.get(id) ?? this.#makeReady(id)) || undefined
  }

  /** The packed text. */
  text(id: number): string | undefined {
    return this.#packed.get(id)
  }

  get size(): number {
    return this.#packed.size
  }

  ids(): Set<number> {
    return new Set(this.#packed.keys())
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

  /** @param isTold whether listeners are told of it, for which it is made ready */
  take({ id, packed }: PackedSubscription, isTold = true): void {
    const before = this.#packed.get(id)
    if (this.#removedMeanwhile.has(id)) return
    if (before !== undefined && !isNewer(packed, before)) return
    this.#packed.set(id, packed)
    this.#forget(id)
    this.#textChanged(id, packed, before)
    if (!isTold || this.#listeners.size === 0) return
    const now = this.get(id)
    if (now) for (const listener of this.#listeners) listener(id, now)
  }

  drop(id: number): void {
    if (this.#readings > 0) this.#removedMeanwhile.add(id)
    const before = this.#packed.get(id)
    if (before === undefined) return
    this.#packed.delete(id)
    this.#forget(id)
    this.#textChanged(id, undefined, before)
    for (const listener of this.#listeners) listener(id, undefined)
  }

  #makeReady(id: number): Subscription | null {
    const packed = this.#packed.get(id)
    if (packed === undefined) return null
    const known = this.#ready.has(id) ? this.#ready.get(id) : this.#readyBefore.get(id)
    const one = known === undefined ? (this.#open(id, packed) ?? null) : known
    if (this.#ready.size >= readyMax) {
      this.#readyBefore = this.#ready
      this.#ready = new Map()
    }
    this.#ready.set(id, one)
    return one
  }

  #forget(id: number): void {
    this.#ready.delete(id)
    this.#readyBefore.delete(id)
  }
}
