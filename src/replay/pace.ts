/** What a replay without a rate of its own queues per second while fresh events come, */
export const besideFreshPerSecond = 200
/** and while none does. Receivers, and what may wait in lanes, are the limit then. */
export const quietPerSecond = 5000
/** It is quiet when nothing fresh has come for this long. */
export const quietMs = 10_000

/** What was not used of a rate is kept for this long, so that a replay does not make up for a receiver that was away. */
const keptSeconds = 0.25
/** Fewer are not worth a step of their own. */
const leastTogether = 10

/**
 * How many deliveries a replay may queue now: by the rate that it was given, or else few while fresh events come, whose
 * latency must not suffer, and many while there are none.
 */
export class Pace {
  readonly #given: number | null
  #isQuiet = false
  #allowed = 0
  #at: number

  /** @param now on the monotonic clock, in ms, as in all that follows */
  constructor(given: number | null, now: number) {
    this.#given = given
    this.#at = now
  }

  /** It depends on whether fresh events come. */
  get isOwn(): boolean {
    return this.#given === null
  }

  get perSecond(): number {
    return this.#given ?? (this.#isQuiet ? quietPerSecond : besideFreshPerSecond)
  }

  setQuiet(isQuiet: boolean): void {
    this.#isQuiet = isQuiet
  }

  /** How many may be queued now; 0 also where it would be too few for a step. */
  allows(now: number): number {
    const rate = this.perSecond
    const most = Math.max(1, rate * keptSeconds)
    this.#allowed = Math.min(most, this.#allowed + ((now - this.#at) / 1000) * rate)
    this.#at = now
    return this.#allowed < Math.min(leastTogether, most) ? 0 : Math.floor(this.#allowed)
  }

  /** That many were queued. */
  used(count: number): void {
    this.#allowed -= count
  }
}
