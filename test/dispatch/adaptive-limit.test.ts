import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AdaptiveLimit, startInFlight } from '../../src/dispatch/adaptive-limit.ts'
import { accepted, overloaded, refused, unreachable } from '../support/outcomes.ts'
import {
  always,
  evenly,
  memoryless,
  type SimulatedReceiver,
  simulate,
} from '../support/simulated-receiver.ts'

const minute = 60_000

const median = (numbers: readonly number[]) =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0

/** The second half of the time, when it has been found out. */
const settled = (limits: readonly number[]) => limits.slice(Math.floor(limits.length / 2))

/** Which of several runs is in the middle, so that chance does not decide. */
function found(receiver: SimulatedReceiver, untilMs: number, ceiling = 100) {
  const runs = (untilMs > 10 * minute ? [1] : [1, 2, 3]).map(seed =>
    simulate(receiver, untilMs, ceiling, seed),
  )
  return median(runs.map(({ limits }) => median(settled(limits))))
}

const within = (limit: number, capacity: number) =>
  assert.ok(
    limit >= Math.floor(capacity * 0.75) && limit <= Math.ceil(capacity * 1.25),
    `${limit} for a receiver that works on ${capacity} at a time`,
  )

for (const capacity of [1, 2, 5, 10, 30, 64]) {
  test(`a receiver that works on ${capacity} at a time gets that many, however long it takes`, () => {
    within(found({ capacity, work: always(50) }, 2 * minute), capacity)
    within(found({ capacity, work: evenly(50) }, minute), capacity)
    within(found({ capacity, work: memoryless(50) }, (capacity < 5 ? 5 : 2) * minute), capacity)
    within(found({ capacity, work: evenly(2000) }, (capacity < 5 ? 60 : 15) * minute), capacity)
  })
}

test('a receiver whose answers take 5 ms, and one in ten 500 ms, is no reason to send it less', () => {
  const mixed = (random: () => number) => (random() < 0.1 ? 500 : 5)
  assert.ok(found({ capacity: 1000, work: mixed }, 3 * minute) >= 75)
})

test('what a receiver can do when it has no queue is found with few errors, and it is not tried again and again', () => {
  for (const capacity of [5, 30, 60]) {
    const { limits, errors } = simulate({ capacity, work: memoryless(50), queue: 0 }, 5 * minute)
    const rest = settled(limits)
    assert.ok(Math.max(...rest) <= capacity * 1.25, `up to ${Math.max(...rest)} of ${capacity}`)
    assert.ok(median(rest) >= capacity * 0.7, `${median(rest)} of ${capacity}`)
    assert.ok(errors.length < 150, `${errors.length} errors`)
  }
})

test('it begins with 10, at most doubles in a second, and has what is best after some seconds', () => {
  const { limits } = simulate({ capacity: 1000, work: evenly(20) }, 20_000)
  assert.equal(limits[0], startInFlight)
  for (let index = 2; index < limits.length; index++)
    assert.ok((limits[index] ?? 0) <= 2 * (limits[index - 2] ?? 0), limits.join(' '))
  assert.ok((limits[10] ?? 0) >= 80, limits.join(' '))
})

test('once found it does not change by more than a third', () => {
  for (const work of [always(50), evenly(50), memoryless(50)]) {
    const { limits } = simulate({ capacity: 40, work }, 6 * minute)
    const rest = limits.slice(Math.floor(limits.length / 3))
    const usual = median(rest)
    assert.ok(Math.min(...rest) >= usual * (2 / 3) - 1, `${usual}, ${Math.min(...rest)}`)
    assert.ok(Math.max(...rest) <= usual * (4 / 3) + 1, `${usual}, ${Math.max(...rest)}`)
  }
})

test('pauses of a garbage collector do not bring it down', () => {
  const pauses = { everyMs: 5000, forMs: 100 }
  const limit = found({ capacity: 40, work: evenly(50), pauses }, 4 * minute)
  assert.ok(limit >= 26, `${limit}`)
})

test('a receiver that can do more, or less, than before gets more, or less', () => {
  const grown = simulate({ capacity: now => (now < minute ? 10 : 60), work: evenly(50) }, 4 * minute)
  within(median(grown.limits.slice(-60)), 60)
  const shrunk = simulate({ capacity: now => (now < minute ? 60 : 10), work: evenly(50) }, 4 * minute)
  within(median(shrunk.limits.slice(-60)), 10)
})

test('a receiver that becomes slower, but not by what it is sent, keeps what it gets', () => {
  const work = (random: () => number, now: number) => (now < minute ? 50 : 200) * (0.5 + random())
  within(median(simulate({ capacity: 40, work }, 4 * minute).limits.slice(-60)), 40)
})

test('one in a hundred that fails by chance does not end at 1', () => {
  const { limits } = simulate({ capacity: 1000, work: evenly(20), failing: 0.01 }, 2 * minute)
  assert.ok(median(settled(limits)) >= 5, `${median(settled(limits))}`)
})

const now = 1_000_000

test('"too much" halves at once, and once for all that was in flight; 1 is left', () => {
  for (const outcome of [overloaded(), unreachable('timeout'), unreachable('connect')]) {
    const limit = new AdaptiveLimit(10, now)
    limit.record({ ...outcome, durationMs: 100 }, 100, now)
    assert.deepEqual([limit.limit, limit.reason], [5, 'too_much'])
    limit.record({ ...outcome, durationMs: 100 }, 100, now + 50)
    assert.equal(limit.limit, 5, 'it was sent before the first was answered')
    for (let at = now + 1000; at < now + 6000; at += 1000)
      limit.record({ ...outcome, durationMs: 100 }, 100, at)
    assert.equal(limit.limit, 1)
  }
})

test('a failure by chance takes it back to where it was, not to what was fine long before', () => {
  const { limit } = simulate({ capacity: now => (now < minute ? 60 : 10), work: evenly(50) }, 4 * minute)
  const usual = limit.limit
  const at = 1_700_000_000_000 + 4 * minute
  // Many answers at this limit are fine, then one is not, then all are again.
  for (let n = 0; n < 200; n++) limit.record({ ...accepted, durationMs: 50 }, 100, at + n)
  limit.record({ ...overloaded(), durationMs: 1 }, 100, at + 300)
  for (let n = 0; n < 2000; n++) limit.record({ ...accepted, durationMs: 50 }, 100, at + 400 + n)
  assert.ok(limit.limit <= Math.ceil(usual * 1.2), `${usual}, then ${limit.limit}`)
})

test('what says nothing of how busy the receiver is changes nothing', () => {
  const limit = new AdaptiveLimit(10, now)
  for (const outcome of [
    refused(),
    unreachable('connect', 'ours'),
    unreachable('proxy', 'proxy'),
    unreachable('credentials', 'credentials'),
    unreachable('dns', 'name'),
  ])
    limit.record(outcome, 100, now)
  assert.equal(limit.limit, 10)
})

test('while nothing waits for a slot it does not grow', () => {
  const limit = new AdaptiveLimit(10, now)
  for (let at = now; at < now + minute; at++) limit.record({ ...accepted, durationMs: 5 }, 100, at)
  assert.deepEqual([limit.limit, limit.reason], [10, 'start'])
})

test('a lower ceiling takes effect with the next answer', () => {
  const limit = new AdaptiveLimit(10, now)
  limit.record({ ...accepted, durationMs: 5 }, 4, now)
  assert.equal(limit.limit, 4)
})
