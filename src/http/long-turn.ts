/**
 * Requests that are read late in a turn of the event loop have waited in their sockets since it began, and what the
 * database answered waits for its end. A turn lasts that long only when thousands of connections send at once.
 */
const turnMsMax = 500

/** Knows for how long requests have been answered in the present turn of the event loop. */
export class LongTurn {
  readonly #msMax: number
  #firstAt: number | undefined

  constructor(msMax: number = turnMsMax) {
    this.#msMax = msMax
  }

  /**
   * Called once for each request. True: this one has waited for longer than the limit, and so have all that come after
   * it in this turn. A process that was only asleep is not in such a turn: it begins with its first request.
   */
  isTooLong(): boolean {
    const now = performance.now()
    if (this.#firstAt === undefined) {
      this.#firstAt = now
      setImmediate(() => {
        this.#firstAt = undefined
      })
      return false
    }
    return now - this.#firstAt > this.#msMax
  }
}
