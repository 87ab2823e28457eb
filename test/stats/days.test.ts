import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { daysOf } from '../../src/stats/days.ts'
import { minuteMs } from '../../src/stats/steps.ts'

const hours = (minutes: readonly number[]) => minutes.map(minute => new Date(minute * minuteMs).toISOString())

function days(zone: string, count: number, now: number): readonly number[] {
  const begins = daysOf(zone, count, now)
  assert.ok(typeof begins !== 'string', `${zone}: ${begins}`)
  return begins
}

test('days begin an hour earlier in UTC from the day after the clock went forward on', () => {
  assert.deepEqual(hours(days('Europe/Berlin', 4, Date.UTC(2026, 2, 30, 12))), [
    '2026-03-26T23:00:00.000Z',
    '2026-03-27T23:00:00.000Z',
    '2026-03-28T23:00:00.000Z',
    '2026-03-29T22:00:00.000Z',
  ])
  assert.deepEqual(hours(days('Europe/Berlin', 3, Date.UTC(2026, 9, 26, 12))), [
    '2026-10-23T22:00:00.000Z',
    '2026-10-24T22:00:00.000Z',
    '2026-10-25T23:00:00.000Z',
  ])
})

test('a day that has no midnight begins when its clock goes on, and one that has two with the first', () => {
  // In Chile the clock goes from 24:00 to 01:00; in Cuba from 01:00 back to 00:00.
  assert.deepEqual(hours(days('America/Santiago', 2, Date.UTC(2026, 8, 6, 12))), [
    '2026-09-05T04:00:00.000Z',
    '2026-09-06T04:00:00.000Z',
  ])
  assert.deepEqual(hours(days('America/Santiago', 2, Date.UTC(2026, 3, 5, 12))), [
    '2026-04-04T03:00:00.000Z',
    '2026-04-05T04:00:00.000Z',
  ])
  assert.deepEqual(hours(days('America/Havana', 2, Date.UTC(2026, 10, 1, 12))), [
    '2026-10-31T04:00:00.000Z',
    '2026-11-01T04:00:00.000Z',
  ])
})

test('where and when it is: a day begins with the first minute that has its date, and the last one runs now', () => {
  const zones = ['UTC', 'Europe/Berlin', 'America/New_York', 'America/Santiago', 'America/Havana']
  const more = ['Africa/Cairo', 'Asia/Beirut', 'Pacific/Auckland', 'Pacific/Kiritimati', '+02:00']
  const year = { min: Date.UTC(2025, 0, 1), max: Date.UTC(2027, 0, 1) }
  fc.assert(
    fc.property(fc.constantFrom(...zones, ...more), fc.integer(year), (zone, now) => {
      const dateAt = (minute: number) =>
        new Date(minute * minuteMs).toLocaleDateString('en-CA', { timeZone: zone })
      const begins = days(zone, 5, now)
      assert.equal(new Set(begins.map(dateAt)).size, 5)
      for (const begin of begins) assert.ok(dateAt(begin - 1) < dateAt(begin), `${zone} ${hours([begin])}`)
      const last = begins.at(-1) ?? 0
      assert.ok(last * minuteMs <= now && dateAt(last) === dateAt(now / minuteMs), zone)
    }),
    { numRuns: 60 },
  )
})

test('a time zone that there is not, or whose days begin within an hour, is a sentence', () => {
  assert.match(String(daysOf('Europe/Nowhere', 2, 0)), /no such time zone/)
  for (const zone of ['Asia/Kolkata', '+05:30'])
    assert.match(String(daysOf(zone, 2, Date.UTC(2026, 1, 1))), /begin within one/)
})
