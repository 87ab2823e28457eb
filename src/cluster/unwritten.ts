import type { Clock } from '../platform/clock.ts'
import { isDatabaseUnavailable } from '../platform/postgres.ts'

/**
 * A statement whose answer was lost may be committed this long after it was given up: PostgreSQL ends what it has begun,
 * and has a time limit for each statement of the path.
 */
const lateCommitMs = 12_000

interface UnderWay {
  readonly since: number
  /** On the monotonic clock; Infinity: until it is over. */
  until: number
}

/**
 * From when on rows may be missing whose ids this process has made. An id is made before its row is written, and begins
 * with its time. So a reader of such rows that goes by their ids may read up to this moment, and not further: a row with
 * a smaller id could still come. Asked only while there is such a reader; whoever writes pays nothing for it.
 */
export class Unwritten {
  readonly #clock: Clock
  readonly #parts: (() => number)[] = []
  readonly #underWay = new Set<UnderWay>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** @param oldest since when a part of this process has ids without rows (Unix milliseconds); Infinity: it has none */
  on(oldest: () => number): void {
    this.#parts.push(oldest)
  }

  /** No row that this process still writes has an id from before this moment (Unix milliseconds). */
  oldest(): number {
    const now = performance.now()
    let oldest = this.#clock.now()
    for (const part of this.#parts) oldest = Math.min(oldest, part())
    for (const one of this.#underWay) {
      if (one.until < now) this.#underWay.delete(one)
      else oldest = Math.min(oldest, one.since)
    }
    return Math.floor(oldest)
  }

  /** Runs work that makes ids and writes their rows. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    const one: UnderWay = { since: this.#clock.now(), until: Number.POSITIVE_INFINITY }
    this.#underWay.add(one)
    try {
      const result = await work()
      this.#underWay.delete(one)
      return result
    } catch (error) {
      if (isDatabaseUnavailable(error)) one.until = performance.now() + lateCommitMs
      else this.#underWay.delete(one)
      throw error
    }
  }

  /**
   * Rows were given up that may be committed all the same.
   *
   * @param since the time of the oldest id (Unix milliseconds)
   * @param forMs how long that may take; at least `lateCommitMs` is waited
   */
  unsure(since: number, forMs = 0): void {
    this.#underWay.add({ since, until: performance.now() + Math.max(forMs, lateCommitMs) })
  }
}
