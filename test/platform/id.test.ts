import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseUuid, type Uuid, uuidLowerBound, uuidTime, uuidV7Source } from '../../src/platform/id.ts'
import { fakeClock, noon } from '../support/clock.ts'

const versionSeven = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const times = fc.integer({ min: 0, max: 2 ** 48 - 1 })

function assertIncreasing(ids: readonly Uuid[]): void {
  ids.slice(1).forEach((id, index) => {
    assert.ok(id > (ids[index] ?? ''), `${id} does not come after ${ids[index]}`)
  })
}

test('an id is a UUID of version 7 that carries the time it was made', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 48 - 1 }), ms => {
      const id = uuidV7Source(fakeClock(ms))()
      assert.match(id, versionSeven)
      assert.equal(uuidTime(id), ms)
    }),
  )
})

test('ids increase while the clock runs, stands still or goes back', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -5000, max: 5000 }), { maxLength: 100 }), steps => {
      const clock = fakeClock(noon)
      const next = uuidV7Source(clock)
      const ids = steps.map(step => {
        clock.advance(step)
        return next()
      })
      assertIncreasing(ids)
    }),
  )
})

test('more than 4,096 ids in one millisecond borrow from the next, and still increase', () => {
  const clock = fakeClock(noon)
  const next = uuidV7Source(clock)
  const ids = Array.from({ length: 10_000 }, next)
  assertIncreasing(ids)
  assert.equal(uuidTime(ids[4095] as Uuid), noon)
  assert.equal(uuidTime(ids[4096] as Uuid), noon + 1)
  assert.equal(uuidTime(ids.at(-1) as Uuid), noon + 2)
  clock.advance(3)
  const later = next()
  assert.equal(uuidTime(later), noon + 3)
  assertIncreasing([...ids, later])
})

test('two sources do not make the same id in the same millisecond', () => {
  const clock = fakeClock(noon)
  const ids = [uuidV7Source(clock), uuidV7Source(clock)].flatMap(next => Array.from({ length: 1000 }, next))
  assert.equal(new Set(ids).size, 2000)
})

test('a bound is below all ids of its millisecond and above all before it', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 2 ** 48 - 1 }), ms => {
      assert.ok(uuidLowerBound(ms) <= uuidV7Source(fakeClock(ms))())
      assert.ok(uuidLowerBound(ms) > uuidV7Source(fakeClock(ms - 1))())
    }),
  )
})

test('a bound gives back the time it was made of', () => {
  fc.assert(fc.property(times, ms => assert.equal(uuidTime(uuidLowerBound(ms)), ms)))
  assert.equal(uuidLowerBound(-1), '00000000-0000-0000-0000-000000000000')
  assert.equal(uuidTime(uuidLowerBound(noon + 0.7)), noon)
})

test('only the canonical form is read as a UUID, in either case', () => {
  const id = '01890000-0000-7000-8000-00000000abcd'
  assert.equal(parseUuid(id), id)
  assert.equal(parseUuid(id.toUpperCase()), id)
  for (const text of [
    '',
    'x',
    id.slice(1),
    `${id}0`,
    `{${id}}`,
    id.replaceAll('-', ''),
    ` ${id}`,
    `${id}\n`,
  ]) {
    assert.equal(parseUuid(text), undefined, JSON.stringify(text))
  }
})
