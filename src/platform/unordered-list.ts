/** What can be in an `UnorderedList`. */
export interface Listed {
  /** Where it is in the list; the list's own. */
  listIndex: number
}

/**
 * Items that come and go, in no order: added and removed in constant time. For what each event is in for a moment.
 *
 * Not a Set. V8 gives a Set a new table after some dozens of additions, and the old table keeps its items and points to
 * the new one. Once one of these tables is old enough for V8's old generation, all tables after it get there, with all
 * that was in them. With two Sets on the path nearly every event stayed in memory until the next full collection: 85 MB of
 * objects in 7 s at full load, and 15 with lists (V8's sampling heap profiler, with what full collections took).
 */
export class UnorderedList<Item extends Listed> {
  readonly #items: Item[] = []

  get size(): number {
    return this.#items.length
  }

  /** @param item one that is in no list */
  add(item: Item): void {
    item.listIndex = this.#items.length
    this.#items.push(item)
  }

  /** Does nothing when it is not in the list. */
  remove(item: Item): void {
    if (this.#items[item.listIndex] !== item) return
    const last = this.#items.pop()
    if (last === undefined || last === item) return
    last.listIndex = item.listIndex
    this.#items[item.listIndex] = last
  }

  /** Whether there is one like this; it looks at one after the other. */
  some(isSo: (item: Item) => boolean): boolean {
    return this.#items.some(isSo)
  }

  /** A copy of what is in it now. */
  toArray(): readonly Item[] {
    return [...this.#items]
  }
}
