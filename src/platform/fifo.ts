/** A first-in, first-out queue with constant-time push and shift. The shift of a long array moves all its items. */
export class Fifo<T> {
  #items: (T | undefined)[] = []
  #head = 0

  get length(): number {
    return this.#items.length - this.#head
  }

  push(item: T): void {
    this.#items.push(item)
  }

  peek(): T | undefined {
    return this.#items[this.#head]
  }

  shift(): T | undefined {
    const item = this.#items[this.#head]
    if (this.#head === this.#items.length) return undefined
    this.#items[this.#head++] = undefined
    // Copied only when more than half of it is empty, so the cost per item stays constant.
    if (this.#head === this.#items.length) {
      this.#items = []
      this.#head = 0
    } else if (this.#head > 1024 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    return item
  }

  /** Takes all items out. */
  drain(): T[] {
    const items = this.#items.slice(this.#head) as T[] // nothing behind the head is undefined
    this.#items = []
    this.#head = 0
    return items
  }
}
