const SUB_BUCKET_BITS = 6
const SUB_BUCKETS = 2 ** SUB_BUCKET_BITS
/** 2^40 µs are 12 days; nothing here lasts that long. */
const EXPONENT_MAX = 40

/** Percentiles of a set of durations, in microseconds. */
export interface Percentiles {
  readonly p50Us: number
  readonly p99Us: number
  readonly maxUs: number
}

/** The buckets that are not empty, and how many are in each. */
export interface HistogramCounts {
  readonly buckets: readonly (readonly [index: number, count: number])[]
  readonly maxUs: number
}

/**
 * Counts durations in buckets that grow with the value, as HdrHistogram does: 64 buckets per power of two, so a
 * percentile is off by at most 1.6 %, while recording costs no allocation and memory does not grow with the count.
 */
export class Histogram {
  readonly #counts = new Float64Array((EXPONENT_MAX - SUB_BUCKET_BITS + 2) * SUB_BUCKETS)
  #total = 0
  #max = 0

  /** Counts one duration; what is below zero (two cores' clocks read at once) counts as zero. */
  record(us: number): void {
    const value = Math.max(us, 0)
    const index = bucketOf(value)
    this.#counts[index] = (this.#counts[index] ?? 0) + 1
    this.#total += 1
    if (value > this.#max) this.#max = value
  }

  /** What was counted, to be added to another one. */
  counts(): HistogramCounts {
    const buckets = [...this.#counts.entries()].filter(([, count]) => count > 0)
    return { buckets, maxUs: this.#max }
  }

  add({ buckets, maxUs }: HistogramCounts): void {
    for (const [index, count] of buckets) {
      this.#counts[index] = (this.#counts[index] ?? 0) + count
      this.#total += count
    }
    this.#max = Math.max(this.#max, maxUs)
  }

  percentiles(): Percentiles {
    return { p50Us: this.#at(0.5), p99Us: this.#at(0.99), maxUs: this.#max }
  }

  #at(quantile: number): number {
    const rank = Math.ceil(this.#total * quantile)
    let seen = 0
    for (let index = 0; index < this.#counts.length; index++) {
      seen += this.#counts[index] ?? 0
      if (seen >= rank && seen > 0) return Math.min(middleOf(index), this.#max)
    }
    return 0
  }
}

function bucketOf(value: number): number {
  if (value < SUB_BUCKETS) return Math.floor(value)
  const exponent = Math.min(Math.floor(Math.log2(value)), EXPONENT_MAX)
  const sub = Math.min(Math.floor((value / 2 ** exponent - 1) * SUB_BUCKETS), SUB_BUCKETS - 1)
  return (exponent - SUB_BUCKET_BITS + 1) * SUB_BUCKETS + sub
}

function middleOf(index: number): number {
  if (index < SUB_BUCKETS) return index
  const exponent = Math.floor(index / SUB_BUCKETS) + SUB_BUCKET_BITS - 1
  return 2 ** exponent * (1 + ((index % SUB_BUCKETS) + 0.5) / SUB_BUCKETS)
}
