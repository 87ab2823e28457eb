import { Fifo } from '../platform/fifo.ts'

/** Attempts that begin together, and how far apart such groups are at first. */
const together = 8
const apartMs = 20

/** Each group follows the one before this much sooner, until nobody waits: a second or two later nothing is held back. */
const sooner = 0.98

/**
 * Lets attempts of replays begin in small groups. What a replay owes in one step is read from its lane at once, and as long as
 * its attempts are begun and answered one upon the other, each turn of the event loop that a fresh event needs takes a
 * millisecond: `npm run bench:replay`. A replay that always has more to send, as it does while nothing fresh comes, soon goes
 * as fast as its receivers.
 */
export class ReplayTurns {
  readonly #waiting = new Fifo<() => void>()
  readonly #later: (then: () => void, ms: number) => unknown
  #apartMs = apartMs
  #isPassing = false

  /** @param later setTimeout; replaced in tests */
  constructor(later: (then: () => void, ms: number) => unknown = setTimeout) {
    this.#later = later
  }

  /** Resolves when an attempt may begin. */
  turn(): Promise<void> {
    return new Promise(resolve => {
      this.#waiting.push(resolve)
      if (this.#isPassing) return
      this.#isPassing = true
      this.#apartMs = apartMs
      this.#later(() => this.#pass(), 0)
    })
  }

  #pass(): void {
    this.#isPassing = this.#waiting.length > 0
    if (!this.#isPassing) return
    for (let begun = 0; begun < together; begun++) this.#waiting.shift()?.()
    this.#later(() => this.#pass(), this.#apartMs)
    this.#apartMs *= sooner
  }
}
