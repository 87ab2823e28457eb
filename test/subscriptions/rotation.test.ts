import assert from 'node:assert/strict'
import { test } from 'node:test'
import { live, rotated } from '../../src/subscriptions/rotation.ts'
import { noon } from '../support/clock.ts'

const at = (ms: number) => new Date(ms).toISOString()
const first = { name: 'first', expires_at: null }
const second = { name: 'second', expires_at: null }
const third = { name: 'third', expires_at: null }

test('the new one comes first, and the one before it ends when it is told', () => {
  const items = rotated([first], second, noon + 1000, noon)
  assert.deepEqual(items, [second, { name: 'first', expires_at: at(noon + 1000) }])
  assert.deepEqual(live(items, noon + 999), items)
  assert.deepEqual(live(items, noon + 1000), [second])
})

test('an older one ends when it was told, whatever a later rotation says', () => {
  const items = rotated(rotated([first], second, noon + 1000, noon), third, noon + 9000, noon + 1)
  assert.deepEqual(
    items.map(item => [item.name, item.expires_at]),
    [
      ['third', null],
      ['second', at(noon + 9000)],
      ['first', at(noon + 1000)],
    ],
  )
})

test('without an overlap all older ones end at once', () => {
  const items = rotated([first], second, noon + 1000, noon)
  assert.deepEqual(rotated(items, third, noon, noon), [third])
})
