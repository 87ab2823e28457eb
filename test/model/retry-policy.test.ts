import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  defaultRetryPolicy,
  delayAfter,
  longestSpan,
  maxAgeMs,
  type RetryPolicy,
} from '../../src/model/retry-policy.ts'

const policies: fc.Arbitrary<RetryPolicy> = fc.record({
  maxAttempts: fc.integer({ min: 1, max: 50 }),
  baseSeconds: fc.integer({ min: 0, max: 86_400 }),
  factor: fc.double({ min: 1, max: 10, noNaN: true }),
  maxDelaySeconds: fc.integer({ min: 1, max: 86_400 }),
  scheduleSeconds: fc.option(fc.array(fc.integer({ min: 0, max: 604_800 }), { minLength: 1, maxLength: 20 })),
  jitter: fc.double({ min: 0, max: 1, noNaN: true }),
  terminalStatuses: fc.constant([]),
  maxAgeSeconds: fc.option(fc.integer({ min: 1, max: 604_800 })),
})
const shares = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
const attempts = fc.integer({ min: 1, max: 60 })

test('by default the attempts are 10, 20, 40 and 80 seconds apart: 10 × 2ⁿ', () => {
  const delays = [1, 2, 3, 4].map(attempt => delayAfter(attempt, defaultRetryPolicy, 0.999))
  assert.deepEqual(delays, [10_000, 20_000, 40_000, 80_000])
  assert.equal(longestSpan(defaultRetryPolicy), 150_000)
})

test('a delay stops growing at its maximum', () => {
  const policy = { ...defaultRetryPolicy, maxDelaySeconds: 60 }
  assert.deepEqual(
    [3, 4, 5, 2000].map(attempt => delayAfter(attempt, policy, 0)),
    [40_000, 60_000, 60_000, 60_000],
  )
})

test('an explicit schedule replaces the exponential one, and its last delay repeats', () => {
  const policy = { ...defaultRetryPolicy, scheduleSeconds: [5, 300, 1800], maxDelaySeconds: 1 }
  assert.deepEqual(
    [1, 2, 3, 4, 9].map(attempt => delayAfter(attempt, policy, 0)),
    [5000, 300_000, 1_800_000, 1_800_000, 1_800_000],
  )
})

test('an empty schedule asks for no delay', () => {
  assert.equal(delayAfter(1, { ...defaultRetryPolicy, scheduleSeconds: [] }, 0.5), 0)
})

test('jitter only ever adds, and at most its share', () => {
  fc.assert(
    fc.property(policies, attempts, shares, (policy, attempt, random) => {
      const plain = delayAfter(attempt, policy, 0)
      const jittered = delayAfter(attempt, policy, random)
      assert.ok(jittered >= plain, `${jittered} comes before ${plain}`)
      assert.ok(jittered <= Math.ceil(plain * (1 + policy.jitter)) + 1)
    }),
  )
})

test('a delay is a whole number of milliseconds, as the database takes them', () => {
  fc.assert(
    fc.property(policies, attempts, shares, (policy, attempt, random) => {
      assert.ok(Number.isSafeInteger(delayAfter(attempt, policy, random)))
    }),
  )
})

test('without a schedule no delay is shorter than the one before', () => {
  fc.assert(
    fc.property(policies, attempts, (policy, attempt) => {
      const exponential = { ...policy, scheduleSeconds: null }
      assert.ok(delayAfter(attempt + 1, exponential, 0) >= delayAfter(attempt, exponential, 0))
    }),
  )
})

test('the longest span is never exceeded by any run of attempts', () => {
  fc.assert(
    fc.property(policies, fc.array(shares, { minLength: 50, maxLength: 50 }), (policy, randoms) => {
      let total = 0
      for (let attempt = 1; attempt < policy.maxAttempts; attempt++) {
        total += delayAfter(attempt, policy, randoms[attempt - 1] ?? 0)
      }
      assert.ok(total <= longestSpan(policy))
    }),
  )
})

const hourMs = 3_600_000

test('a delivery is wanted as long as its policy says, else as long as events are kept or its schedule lasts', () => {
  const retention = 72 * hourMs
  const aged = (retry: Partial<typeof defaultRetryPolicy>) =>
    maxAgeMs({ ...defaultRetryPolicy, ...retry }, retention)
  assert.equal(aged({ maxAgeSeconds: 60 }), 60_000)
  assert.equal(aged({}), retention)
  assert.equal(aged({ maxAttempts: 2, scheduleSeconds: [100 * 3600] }), 101 * hourMs)
})
