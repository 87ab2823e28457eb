/**
 * What a replay without a rate of its own queues per second while fresh events come: half as many as come, within these limits.
 * As much again as comes, 200 beside 200, made p99 of fresh events 1.16 times as high on two cores that all shared, and half of it
 * 1.04 times; as many more fresh events make it 1.11 times: `npm run bench:replay -- --control`.
 */
export const besideFresh = { share: 0.5, least: 100, most: 300 } as const
/** And while none come. Receivers, and what may wait in lanes, are the limit then. */
export const quietPerSecond = 5000
/** It is quiet when nothing fresh has come for this long. */
export const quietMs = 10_000

/**
 * Deliveries that are worth a step of their own, and how far apart steps may be. Fresh events are late by the number of
 * statements beside them, not by what each of these does: `npm run bench:replay`. Fewer are taken at first, so that a small
 * replay begins at once.
 */
const together = { first: 10, most: 100, seconds: 0.5 } as const

/** What was not used of a rate is kept for this long, so that a replay does not make up for a receiver that was away. */
const keptSeconds = 0.6

/**
 * How many deliveries a replay may queue now: by the rate that it was given, or else few while fresh events come, whose
 * latency must not suffer, and many while there are none.
 */
export class Pace {
  readonly #given: number | null
  /** As long as nothing is known, few. */
  #own: number = besideFresh.least
  #together: number = together.first
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
    return this.#given ?? this.#own
  }

  /** How far apart steps are. */
  get stepMs(): number {
    return (1000 * this.#least) / this.perSecond
  }

  /** @param perSecond how many come now; null: none has come for `quietMs` */
  setFresh(perSecond: number | null): void {
    const { share, least, most } = besideFresh
    this.#own = perSecond === null ? quietPerSecond : Math.min(most, Math.max(least, perSecond * share))
  }

  /** How many may be queued now; 0 also where it would be too few for a step. */
  allows(now: number): number {
    const rate = this.perSecond
    const most = Math.max(1, rate * keptSeconds)
    this.#allowed = Math.min(most, this.#allowed + ((now - this.#at) / 1000) * rate)
    this.#at = now
    return this.#allowed < this.#least ? 0 : Math.floor(this.#allowed)
  }

  /** That many were queued. */
  used(count: number): void {
    this.#allowed -= count
    this.#together = Math.min(together.most, this.#together * 2)
  }

  get #least(): number {
    return Math.max(1, Math.min(this.#together, this.perSecond * together.seconds))
  }
}
