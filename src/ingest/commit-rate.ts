/** Long enough for some transactions, short enough to notice at once that a disk became slow. */
const windowMs = 200

/**
 * How fast events are being committed, measured while more of them wait than can be taken: only then it says how fast
 * they can be. Times are milliseconds of any steady clock.
 */
export class CommitRate {
  #windowStart: number | undefined
  #inWindow = 0
  #perMs: number | undefined

  /** So many were committed now, and others wait. */
  committed(events: number, now: number): void {
    if (this.#windowStart === undefined) {
      this.#windowStart = now // what was done before the queue began does not count
      return
    }
    this.#inWindow += events
    const tookMs = now - this.#windowStart
    if (tookMs < windowMs) return
    const measured = this.#inWindow / tookMs
    this.#perMs = this.#perMs === undefined ? measured : (this.#perMs + measured) / 2
    this.#windowStart = now
    this.#inWindow = 0
  }

  /** Nothing waits: the next queue is another story. */
  forget(): void {
    this.#windowStart = undefined
    this.#perMs = undefined
    this.#inWindow = 0
  }

  /** How long it takes to commit so many, as far as is known; 0 when nothing is. */
  waitMs(events: number): number {
    return this.#perMs === undefined ? 0 : events / this.#perMs
  }
}
