import assert from 'node:assert/strict'
import { test } from 'node:test'
import { besideFresh, Pace, quietPerSecond } from '../../src/replay/pace.ts'

/** How many are allowed in some seconds, that are all used, when asked each 25 ms; and in how many steps. */
function allowedIn(pace: Pace, from: number, seconds: number) {
  let [sum, steps] = [0, 0]
  for (let now = from + 25; now <= from + seconds * 1000; now += 25) {
    const allowed = pace.allows(now)
    if (allowed === 0) continue
    pace.used(allowed)
    sum += allowed
    steps++
  }
  return { sum, steps }
}

/** Not more, but for what was left before, and hardly less: what is not enough for a step is left at the end. */
function assertRate({ sum }: { readonly sum: number }, rate: number, seconds: number): void {
  assert.ok(sum < rate * (seconds + 0.5) && sum >= rate * (seconds - 0.5), `${sum} in ${seconds} s`)
}

test('a rate that was given is kept, whether fresh events come or not', () => {
  const pace = new Pace(100, 0)
  assert.equal(pace.isOwn, false)
  assertRate(allowedIn(pace, 0, 10), 100, 10)
  pace.setFresh(null)
  assertRate(allowedIn(pace, 10_000, 10), 100, 10)
  pace.setFresh(2000)
  assertRate(allowedIn(pace, 20_000, 10), 100, 10)
})

test('without one it is slow until it is known that nothing fresh comes, and slow again when something does', () => {
  const pace = new Pace(null, 0)
  assert.equal(pace.isOwn, true)
  assertRate(allowedIn(pace, 0, 10), besideFresh.least, 10)
  pace.setFresh(null)
  assertRate(allowedIn(pace, 10_000, 10), quietPerSecond, 10)
  pace.allows(23_000) // much is allowed and not used
  pace.setFresh(0)
  assert.ok(allowedIn(pace, 23_000, 1).sum <= besideFresh.least * 1.25)
})

test('beside fresh events it is half as many as these, neither very few nor very many', () => {
  const pace = new Pace(null, 0)
  for (const [fresh, rate] of [
    [1, besideFresh.least],
    [500, 250],
    [8000, besideFresh.most],
  ] as const) {
    pace.setFresh(fresh)
    assert.equal(pace.perSecond, rate)
  }
})

test('what a slow receiver has not taken is not made up for', () => {
  const pace = new Pace(1000, 0)
  assert.equal(pace.allows(60_000), 600)
})

test('a few are not worth a step, but a replay begins at once, and the slowest rate comes forward', () => {
  const some = new Pace(100, 0)
  assert.equal(some.allows(50), 0)
  assert.equal(some.allows(100), 10)
  const slowest = new Pace(1, 0)
  assert.equal(slowest.allows(900), 0)
  assert.equal(slowest.allows(1000), 1)
})

test('beside fresh events there are few steps, and none of them is large', () => {
  const pace = new Pace(null, 0)
  allowedIn(pace, 0, 5)
  const { sum, steps } = allowedIn(pace, 5000, 10)
  assert.ok(steps <= 20, `${steps} steps in 10 s`)
  assert.ok(sum / steps <= 110, `${sum / steps} in a step`)
  assert.equal(pace.stepMs, 500)
})
