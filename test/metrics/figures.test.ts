import assert from 'node:assert/strict'
import { test } from 'node:test'
import { families } from '../../src/metrics/families.ts'
import {
  add,
  counted,
  noNumbers,
  numbersFrom,
  observe,
  seriesAt,
  seriesOfAll,
  setterOf,
  together,
  toSend,
} from '../../src/metrics/figures.ts'

const value = (numbers: Float64Array, at: number) => numbers[at] ?? Number.NaN

test('every series has a place of its own', () => {
  const numbers = noNumbers()
  let series = 0
  for (const [family, all] of seriesOfAll(numbers)) {
    series += all.length
    for (const { numbers: own } of all)
      own.fill(own.byteOffset, 0, family.type === 'histogram' ? own.length : 1)
  }
  assert.ok(series > 100)
  assert.equal(new Set([...numbers].map(String)).size, series, 'none of them overlaps another one')
  assert.throws(() => seriesAt('attempts', 'success', 'no such trigger'), /trigger/)
})

test('metrics are named and described as Prometheus asks for', () => {
  const names = Object.values(families).map(({ name }) => name)
  assert.equal(new Set(names).size, names.length)
  for (const { name, type, help, labels } of Object.values(families)) {
    assert.match(name, /^[a-z][a-z0-9_]*[a-z0-9]$/)
    assert.equal(name.endsWith('_total'), type === 'counter', name)
    assert.doesNotMatch(help, /\.$/)
    for (const label of labels) assert.ok(label.values.length < 30, `${name} has a bound for ${label.name}`)
  }
})

test('a value is noted in the first bucket that holds it, and in the sum', () => {
  const numbers = noNumbers()
  const at = seriesAt('attemptDuration')
  const { buckets } = families.attemptDuration
  for (const seconds of [0, 0.005, 0.0051, 30, 31]) observe(numbers, at, buckets, seconds)
  assert.equal(value(numbers, at), 2)
  assert.equal(value(numbers, at + 1), 1)
  assert.equal(value(numbers, at + buckets.length - 1), 1)
  assert.equal(value(numbers, at + buckets.length), 1, 'beyond the last one')
  assert.ok(Math.abs(value(numbers, at + buckets.length + 1) - 61.0101) < 1e-9)
})

test('several processes are one: sums, largest, smallest, and what only the one that answers says', () => {
  const [one, other] = [noNumbers(), noNumbers()]
  const figures = [
    ['workerInFlight', 3, 4, 7],
    ['subscriptions', 10, 12, 12],
    ['databaseUp', 1, 0, 0],
    ['oldestDue', 5, 9, 5],
  ] as const
  for (const [name, a, b] of figures) {
    setterOf(one)(name, a)
    setterOf(other)(name, b)
  }
  setterOf(other)('redisUp', 1)
  for (const numbers of [one, other]) add(numbers, seriesAt('eventsAccepted'), 20)
  const all = together([one, other])
  for (const [name, , , expected] of figures) assert.equal(value(all, seriesAt(name)), expected, name)
  assert.equal(value(all, seriesAt('redisUp')), 1, 'known to one of them')
  assert.equal(value(all, seriesAt('eventsAccepted')), 40)
  assert.equal(value(one, seriesAt('eventsAccepted')), 20, 'each keeps its own')
})

test('of a process that has ended its counters and histograms stay, and no gauge', () => {
  const numbers = noNumbers()
  add(numbers, seriesAt('eventsAccepted'), 5)
  observe(numbers, seriesAt('ingestDuration'), families.ingestDuration.buckets, 0.003)
  setterOf(numbers)('workerInFlight', 3)
  const kept = counted(numbers)
  const all = together([noNumbers(), kept, kept])
  assert.equal(value(all, seriesAt('eventsAccepted')), 10)
  assert.equal(value(all, seriesAt('ingestDuration') + 2), 2)
  assert.ok(Number.isNaN(value(all, seriesAt('workerInFlight'))))
})

test('numbers arrive as they were sent; those of another version are left out', () => {
  const numbers = noNumbers()
  add(numbers, seriesAt('eventsAccepted'), 5)
  assert.deepEqual(numbersFrom(JSON.parse(JSON.stringify(toSend(numbers)))), numbers)
  assert.equal(numbersFrom([1, 2, 3]), undefined)
  assert.equal(numbersFrom('a'), undefined)
})
