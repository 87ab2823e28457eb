import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  beginsOf,
  coverOf,
  minuteMs,
  minuteOf,
  periodOf,
  type RolledUp,
  steps,
  windowNames,
  windows,
} from '../../src/stats/steps.ts'

const now = Date.UTC(2026, 2, 1, 12, 34, 56)

/** Rolled up as far as whole periods end before a minute, or for some steps less far. */
const rolledUp = (until: number, lag: readonly number[]): RolledUp =>
  Object.fromEntries(
    steps.map((step, index) => [step, periodOf(until, step) - (index === 0 ? 0 : (lag[index] ?? 0) * step)]),
  )

test('the periods of a window follow each other without gap or overlap, and all of them are rolled up', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...windowNames),
      fc.integer({ min: 0, max: 3 * 1440 }),
      fc.array(fc.nat(3), { minLength: 4, maxLength: 4 }),
      fc.constantFrom(...steps),
      (name, behind, lag, longest) => {
        const [from] = beginsOf(windows[name], now)
        const done = rolledUp(minuteOf(now) - behind, lag)
        const { periods, until } = coverOf(from, done, longest)
        let minute = from
        for (const period of periods) {
          assert.equal(period.minute, minute)
          assert.equal(minute % period.step, 0)
          assert.ok(period.step <= longest && minute + period.step <= (done[period.step] ?? 0))
          minute += period.step
        }
        assert.equal(until, minute)
        assert.ok(until >= Math.min(done[1] ?? 0, from) && (until >= (done[1] ?? 0) || until === from))
      },
    ),
  )
})

test('a window is read from few periods', () => {
  const done = rolledUp(minuteOf(now), [0, 0, 0, 0])
  const most = { '1h': 60, '24h': 95 + 14, '7d': 167 + 3 + 14, '30d': 29 + 23 + 3 + 14 }
  for (const name of windowNames) {
    const { periods } = coverOf(beginsOf(windows[name], now)[0], done, windows[name].step)
    assert.ok(periods.length <= most[name], `${name}: ${periods.length}`)
  }
})

test('a window has its buckets, the last of which runs now', () => {
  for (const name of windowNames) {
    const { step, count } = windows[name]
    const begins = beginsOf(windows[name], now)
    assert.equal(begins.length, count)
    const last = (begins.at(-1) ?? 0) * minuteMs
    assert.ok(last <= now && now < last + step * minuteMs, name)
  }
})
