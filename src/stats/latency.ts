// How durations are counted: in buckets that grow with the value, as HdrHistogram does, so that those of any two periods
// can be added up, and few are needed: an attempt of 1 ms and one of an hour are 304 buckets apart.

/** Durations below this have a bucket each. */
const exactBelowMs = 32

/** From there on each power of two has this many buckets. Half of one is at most 1/32 (3.1 %) of a value in it. */
const bucketsPerOctave = 16

/** 2^22 ms are 70 minutes. What lasts longer is in the last bucket; no attempt may take more than a minute or two. */
const octaves = 22 - Math.log2(exactBelowMs)

/** The smallest duration of each bucket, in whole milliseconds. Never changed: it is what the stored numbers mean. */
export const bucketStarts: readonly number[] = [
  ...Array.from({ length: exactBelowMs }, (_, ms) => ms),
  ...Array.from({ length: octaves * bucketsPerOctave }, (_, index) => {
    const octaveMs = exactBelowMs * 2 ** Math.floor(index / bucketsPerOctave)
    return octaveMs + (index % bucketsPerOctave) * (octaveMs / bucketsPerOctave)
  }),
]

/** What a percentile may differ from the exact one, as a share of it. */
export const relativeErrorMax = 1 / (2 * bucketsPerOctave)

/** The duration that stands for a bucket: the middle of its whole milliseconds, rounded down. */
export function middleOf(bucket: number): number {
  const start = bucketStarts[bucket] ?? 0
  const next = bucketStarts[bucket + 1] ?? start + 1
  return Math.floor((start + next - 1) / 2)
}

/** How many durations each bucket has. */
export type Buckets = ReadonlyMap<number, number>

/**
 * Percentiles by nearest rank: the smallest duration that at least this share of all do not exceed.
 *
 * @param shares ascending, from 0 to 1
 * @returns milliseconds, one for each share; null where there is no duration
 */
export function percentiles(buckets: Buckets, shares: readonly number[]): readonly (number | null)[] {
  const sorted = [...buckets].filter(([, count]) => count > 0).sort(([a], [b]) => a - b)
  const total = sorted.reduce((sum, [, count]) => sum + count, 0)
  let index = 0
  let seen = sorted[0]?.[1] ?? 0
  return shares.map(share => {
    const rank = Math.max(1, Math.ceil(total * share))
    for (; seen < rank && index < sorted.length - 1; seen += sorted[index]?.[1] ?? 0) index++
    const bucket = sorted[index]?.[0]
    return bucket === undefined ? null : middleOf(bucket)
  })
}
