import type { ErrorClass } from '../model/outcome.ts'
import { percentiles } from './latency.ts'

/**
 * In which order the stored numbers stand for classes of errors, from 1; 0 is success. Only added to: what is stored means
 * what it meant. The compiler finds a class that is missing.
 */
const classNumbers = {
  ...{ dns: 1, connect: 2, tls: 3, timeout: 4, http: 5, blocked: 6, invalid: 7, proxy: 8, credentials: 9 },
} as const satisfies Record<ErrorClass, number>

/** Of a class that has no number: rows of another version. */
export const unknownClass = 15

/** By their numbers. */
export const numberedClasses: readonly string[] = Object.entries(classNumbers)
  .sort(([, a], [, b]) => a - b)
  .map(([name]) => name)

/** A key of a cell is `way * wayFactor + bucket`: how the attempt ended, and about how long it took. */
export const wayFactor = 512

/** A cell is `key * 2^countBits + count`. All of it is below 2^53, so that a number of JavaScript holds it. */
export const countBits = 36
const countFactor = 2 ** countBits

/** Attempts that were counted somewhere: a row of roll-ups, or of the log. */
export interface Counted {
  readonly success: number
  readonly failed: number
  readonly given_up: number
  /** Unix milliseconds. */
  readonly last_success_ms: number | null
  readonly cells: readonly number[]
}

export interface Percentiles {
  readonly p50_ms: number | null
  readonly p95_ms: number | null
  readonly p99_ms: number | null
}

/** Adds up what was counted. */
export class Tally {
  success = 0
  failed = 0
  givenUp = 0
  /** Unix milliseconds; null: none. */
  lastSuccessAt: number | null = null
  readonly #cells = new Map<number, number>()

  add(counted: Counted): void {
    this.success += counted.success
    this.failed += counted.failed
    this.givenUp += counted.given_up
    if (counted.last_success_ms !== null) {
      this.lastSuccessAt = Math.max(this.lastSuccessAt ?? 0, counted.last_success_ms)
    }
    for (const cell of counted.cells) this.#addTo(Math.floor(cell / countFactor), cell % countFactor)
  }

  merge(other: Tally): void {
    this.success += other.success
    this.failed += other.failed
    this.givenUp += other.givenUp
    if (other.lastSuccessAt !== null) {
      this.lastSuccessAt = Math.max(this.lastSuccessAt ?? 0, other.lastSuccessAt)
    }
    for (const [key, count] of other.#cells) this.#addTo(key, count)
  }

  #addTo(key: number, count: number): void {
    this.#cells.set(key, (this.#cells.get(key) ?? 0) + count)
  }

  /** How many failed in which way; classes without any are left out. */
  get byClass(): Readonly<Record<string, number>> {
    const found: Record<string, number> = {}
    for (const [key, count] of this.#cells) {
      const way = Math.floor(key / wayFactor)
      if (way === 0) continue
      const name = numberedClasses[way - 1] ?? 'unknown'
      found[name] = (found[name] ?? 0) + count
    }
    return found
  }

  /** How long attempts took, those that failed included; null where there was none. */
  get percentiles(): Percentiles {
    const buckets = new Map<number, number>()
    for (const [key, count] of this.#cells) {
      const bucket = key % wayFactor
      buckets.set(bucket, (buckets.get(bucket) ?? 0) + count)
    }
    const [p50_ms = null, p95_ms = null, p99_ms = null] = percentiles(buckets, [0.5, 0.95, 0.99])
    return { p50_ms, p95_ms, p99_ms }
  }
}

/** A cell as it is stored. */
export function cellOf(key: number, count: number): number {
  return key * countFactor + count
}
