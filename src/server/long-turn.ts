/**
 * The longest turn of the event loop in which all requests are answered. A request that is read late in a turn has waited
 * in its socket, and timers wait for the end of the turn. Only thousands of connections that send at once make a turn
 * last this long.
 */
const turnMsMax = 500

/**
 * A turn in which no more requests were read than these is not long because of them: the process got no processor, or ran
 * its code for the first time. Refusing the rest of so few would make nothing shorter.
 */
const requestsMin = 64

/** Measures for how long the present turn of the event loop has been answering requests. */
export class LongTurn {
  readonly #msMax: number
  readonly #monotonicNow: () => number
  #firstAt: number | undefined
  #requests = 0

  /** @param monotonicNow milliseconds; replaced in tests */
  constructor(msMax: number = turnMsMax, monotonicNow: () => number = () => performance.now()) {
    this.#msMax = msMax
    this.#monotonicNow = monotonicNow
  }

  /**
   * To be called once for each request. True: this turn has lasted longer than the limit and has read many requests, so
   * this one is to be refused.
   *
   * Answers change from limit to limit: false, then true for as long, then false again. Refusals alone can keep a turn
   * going when clients send again at once, because libuv reads up to 48 times 1,024 sockets in a turn. With true to its
   * end, nothing would be accepted meanwhile. A turn begins with its first request, so a process that slept is not late.
   */
  isTooLong(): boolean {
    const now = this.#monotonicNow()
    if (this.#firstAt === undefined) {
      this.#firstAt = now
      this.#requests = 1
      setImmediate(() => {
        this.#firstAt = undefined
      })
      return false
    }
    this.#requests++
    return this.#requests > requestsMin && Math.floor((now - this.#firstAt) / this.#msMax) % 2 === 1
  }
}
