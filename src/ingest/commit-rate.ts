/** What each transaction counts less than the one after it: some dozens of them are remembered. */
const fading = 0.9

/**
 * How fast events can be committed, learnt from transactions that were full: those that began while more events waited
 * than they could take. Each connection runs one after the other, so together they are as many times as fast. One that
 * is slow weighs as much as it lasted, so a disk that becomes slow is noticed at once.
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
   * A transaction has ended that took so long. One that was not full counts only while nothing else is known, as if it
   * had been: on a slow disk a full one takes hardly longer, and on a fast one it keeps nothing out.
   */
  committed(events: number, tookMs: number, isFull: boolean): void {
    if (!isFull && this.#events > 0) return
    this.#events = this.#events * fading + (isFull ? events : this.#eventsMax)
    this.#ms = this.#ms * fading + tookMs
  }

  /** Nothing waits: the next queue is another story. */
  forget(): void {
    this.#events = 0
    this.#ms = 0
  }

  /** How long it takes to commit so many, as far as is known; 0 when nothing is. */
  waitMs(events: number): number {
    return this.#events === 0 ? 0 : (events * this.#ms) / (this.#events * this.#connections)
  }
}
