import { Fifo } from '../platform/fifo.ts'

/** Attempts that may begin together, and in a second at first. */
const together = 8
const perSecondLeast = 400

/**
 * In the next second this many times more may begin than in this one: a few seconds later nothing is held back. What comes, comes in
 * waves, as a lane is read again when what was read of it is settled. With 1.5 retries behind a replay of 280 a second were late by
 * 0.98 s at p99, with 3 by 0.55: `npm run bench:replay -- --replayed 60000 --rounds 4 --seconds 8 --rate 1000`.
 */
const growth = 3

/**
 * Lets attempts of replays begin in small groups. What a replay owes in one step is read from its lane at once, and as long as
 * its attempts are begun and answered one upon the other, each turn of the event loop that a fresh event needs takes a
 * millisecond: `npm run bench:replay`. A replay that always has more to send, as it does while nothing fresh comes, soon goes
 * as fast as its receivers.
 */
export class ReplayTurns {
  readonly #waiting = new Fifo<() => void>()
  readonly #now: () => number
  readonly #later: (then: () => void, ms: number) => unknown
  #tokens: number = together
  #at: number
  #perSecond = perSecondLeast
  /** Since when is counted how many have begun. */
  #countedSince: number
  #begun = 0
  #isPassing = false

  /** @param now milliseconds that never jump @param later setTimeout; both are replaced in tests */
  constructor(
    now: () => number = () => performance.now(),
    later: (then: () => void, ms: number) => unknown = setTimeout,
  ) {
    this.#now = now
    this.#later = later
    this.#at = now()
    this.#countedSince = this.#at
  }

  /** Resolves when an attempt may begin. */
  turn(): Promise<void> {
    return new Promise(resolve => {
      this.#waiting.push(resolve)
      if (!this.#isPassing) this.#pass()
    })
  }

  #pass(): void {
    this.#refill()
    for (; this.#tokens >= 1 && this.#waiting.length > 0; this.#tokens--) {
      this.#waiting.shift()?.()
      this.#begun++
    }
    this.#isPassing = this.#waiting.length > 0
    if (this.#isPassing) this.#later(() => this.#pass(), (1000 * together) / this.#perSecond)
  }

  #refill(): void {
    const now = this.#now()
    const countedMs = now - this.#countedSince
    if (countedMs >= 1000) {
      this.#perSecond = Math.max(perSecondLeast, (growth * 1000 * this.#begun) / countedMs)
      this.#countedSince = now
      this.#begun = 0
    }
    this.#tokens = Math.min(together, this.#tokens + ((now - this.#at) * this.#perSecond) / 1000)
    this.#at = now
  }
}
