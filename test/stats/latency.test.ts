import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { bucketStarts, middleOf, percentiles, relativeErrorMax } from '../../src/stats/latency.ts'
import { exactPercentile } from '../support/stats.ts'

const durations = fc.array(fc.oneof(fc.nat(50), fc.nat(5000), fc.nat(4_000_000)), { maxLength: 300 })

/** The bucket that PostgreSQL finds by `width_bucket`. */
const bucketOf = (ms: number) => bucketStarts.findLastIndex(start => start <= ms)

function counted(values: readonly number[]): Map<number, number> {
  const buckets = new Map<number, number>()
  for (const value of values) buckets.set(bucketOf(value), (buckets.get(bucketOf(value)) ?? 0) + 1)
  return buckets
}

const shares = [0, 0.1, 0.5, 0.95, 0.99, 1]

test('a percentile is within the stated error of the exact one, whatever the durations', () => {
  assert.ok(relativeErrorMax <= 0.05)
  fc.assert(
    fc.property(durations, values => {
      const sorted = values.toSorted((a, b) => a - b)
      const found = percentiles(counted(values), shares)
      for (const [index, share] of shares.entries()) {
        const exact = exactPercentile(sorted, share)
        const value = found[index] ?? null
        if (exact === null) assert.equal(value, null)
        else
          assert.ok(
            value !== null && Math.abs(value - exact) <= exact * relativeErrorMax,
            `${value} for ${exact}`,
          )
      }
    }),
  )
})

test('the percentiles of several periods together are those of all their durations', () => {
  fc.assert(
    fc.property(fc.array(durations, { maxLength: 5 }), parts => {
      const merged = new Map<number, number>()
      for (const part of parts) {
        for (const [bucket, count] of counted(part)) merged.set(bucket, (merged.get(bucket) ?? 0) + count)
      }
      assert.deepEqual(percentiles(merged, shares), percentiles(counted(parts.flat()), shares))
    }),
  )
})

test('durations below 32 ms are exact, and buckets grow by at most a sixteenth', () => {
  for (let ms = 0; ms < 32; ms++) assert.equal(middleOf(bucketOf(ms)), ms)
  for (const [index, start] of bucketStarts.entries()) {
    const next = bucketStarts[index + 1] ?? start + 1
    assert.ok(next > start && next - start <= Math.max(1, start / 16), `${start} to ${next}`)
  }
  assert.equal(bucketStarts.length, 304)
})
