/**
 * Requests that are read late in a turn of the event loop have waited in their sockets, and timers wait for its end. A
 * turn lasts that long only when thousands of connections send at once.
 */
const turnMsMax = 500

/** Knows for how long requests have been answered in the present turn of the event loop. */
export class LongTurn {
  readonly #msMax: number
  readonly #monotonicNow: () => number
  #firstAt: number | undefined

  /** @param monotonicNow milliseconds; replaced in tests */
  constructor(msMax: number = turnMsMax, monotonicNow: () => number = () => performance.now()) {
    this.#msMax = msMax
    this.#monotonicNow = monotonicNow
  }

  /**
   * Called once for each request. True: requests have been answered for longer than the limit in this turn, and this
   * one is to be refused. After as long again they are not: refusals alone keep a turn going when those who are refused
   * send again at once (libuv reads up to 48 times 1,024 sockets before it ends), and meanwhile nothing would be
   * accepted. A process that was only asleep is not in such a turn: it begins with its first request.
   */
  isTooLong(): boolean {
    const now = this.#monotonicNow()
    if (this.#firstAt === undefined) {
      this.#firstAt = now
      setImmediate(() => {
        this.#firstAt = undefined
      })
      return false
    }
    return Math.floor((now - this.#firstAt) / this.#msMax) % 2 === 1
  }
}
