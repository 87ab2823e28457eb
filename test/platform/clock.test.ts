import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../../src/platform/clock.ts'

const hourMs = 3_600_000
const start = Date.UTC(2026, 2, 1, 12)

/** A clock over monotonic time that a test hands out, steered to `start`. */
function aClock() {
  let monotonic = 5000
  const clock = systemClock(() => monotonic)
  clock.steer(start)
  return {
    clock,
    pass(ms: number) {
      monotonic += ms
    },
  }
}

test('starts at the time of this machine, in whole milliseconds', () => {
  const now = systemClock().now()
  assert.ok(Math.abs(now - Date.now()) < 1000)
  assert.ok(Number.isInteger(now))
})

test('believes the first word about the time in both directions: a wall clock that is ahead holds nothing up', () => {
  const clock = systemClock(() => 0)
  const wall = clock.now()
  clock.steer(wall - hourMs)
  assert.equal(clock.now(), Math.floor(wall - hourMs))
})

test('moves forwards at once when it is told a later time', () => {
  const { clock, pass } = aClock()
  clock.steer(start + hourMs + 0.4)
  assert.equal(clock.now(), start + hourMs)
  pass(100)
  assert.equal(clock.now(), start + hourMs + 100)
})

test('runs at half speed when it is told an earlier time, until that time has come', () => {
  const { clock, pass } = aClock()
  clock.steer(start - hourMs)
  assert.equal(clock.now(), start, 'never backwards')
  pass(10_000)
  assert.equal(clock.now(), start + 5000)
  pass(2 * hourMs - 10_000)
  assert.equal(clock.now(), start + hourMs, 'which is the true time now')
  pass(1000)
  assert.equal(clock.now(), start + hourMs + 1000)
})

test('being told the true time again and again on the way back changes nothing', () => {
  const { clock, pass } = aClock()
  clock.steer(start - 20_000)
  let before = clock.now()
  for (let told = 1; told <= 20; told++) {
    pass(2000)
    clock.steer(start - 20_000 + told * 2000)
    assert.ok(clock.now() > before, 'it never stands still')
    before = clock.now()
  }
  assert.equal(clock.now(), start + 20_000)
})
