import assert from 'node:assert/strict'
import { test } from 'node:test'
import { besideFreshPerSecond, Pace, quietPerSecond } from '../../src/replay/pace.ts'

/** How many are allowed within a second, that are all used, when asked each 25 ms. */
function inOneSecond(pace: Pace, from: number): number {
  let sum = 0
  for (let now = from + 25; now <= from + 1000; now += 25) {
    const allowed = pace.allows(now)
    pace.used(allowed)
    sum += allowed
  }
  return sum
}

test('a rate that was given is kept, whether fresh events come or not', () => {
  const pace = new Pace(100, 0)
  assert.equal(pace.isOwn, false)
  assert.equal(inOneSecond(pace, 0), 100)
  pace.setQuiet(true)
  assert.equal(inOneSecond(pace, 1000), 100)
})

test('without one it is slow until it is known that nothing fresh comes, and slow again when something does', () => {
  const pace = new Pace(null, 0)
  assert.equal(pace.isOwn, true)
  assert.equal(inOneSecond(pace, 0), besideFreshPerSecond)
  pace.setQuiet(true)
  assert.equal(inOneSecond(pace, 1000), quietPerSecond)
  pace.allows(3000) // much is allowed and not used
  pace.setQuiet(false)
  assert.ok(inOneSecond(pace, 3000) <= besideFreshPerSecond * 1.25)
})

test('what a slow receiver has not taken is not made up for', () => {
  const pace = new Pace(1000, 0)
  assert.equal(pace.allows(60_000), 250)
})

test('a few are not worth a step, but the slowest rate comes forward', () => {
  const some = new Pace(100, 0)
  assert.equal(some.allows(50), 0)
  assert.equal(some.allows(100), 10)
  const slowest = new Pace(1, 0)
  assert.equal(slowest.allows(900), 0)
  assert.equal(slowest.allows(1000), 1)
})
