/** With each transaction, the weight of all earlier ones is multiplied by this: about ten of them decide. */
const fading = 0.9

/**
 * How fast events can be committed, measured on full transactions: those that began while more events waited than they
 * could take. Each connection runs one transaction at a time, so all together are `connections` times as fast as one.
 * Events and time are summed separately, so a slow transaction has much weight, and a slow disk is noticed at once.
 */
export class CommitRate {
  readonly #connections: number
  readonly #eventsMax: number
  #events = 0
  #ms = 0

  /**
   * @param connections how many transactions run side by side
   * @param eventsMax what one of them can take
   */
  constructor(connections: number, eventsMax: number) {
    this.#connections = connections
    this.#eventsMax = eventsMax
  }

  /**
   * Records a transaction that has ended. One that was not full counts only while nothing else is known, and as if it had
   * been full: on a slow disk a full one takes hardly longer, and on a fast disk the error refuses nothing.
   */
  committed(events: number, tookMs: number, isFull: boolean): void {
    if (!isFull && this.#events > 0) return
    this.#events = this.#events * fading + (isFull ? events : this.#eventsMax)
    this.#ms = this.#ms * fading + tookMs
  }

  /** Nothing waits any more: what was measured may not be true when events wait again. */
  forget(): void {
    this.#events = 0
    this.#ms = 0
  }

  /** How long it takes to commit this many events, in milliseconds; 0 when nothing is known. */
  waitMs(events: number): number {
    return this.#events === 0 ? 0 : (events * this.#ms) / (this.#events * this.#connections)
  }
}
