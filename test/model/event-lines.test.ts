import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventLines } from '../../src/model/event-lines.ts'
import { newId } from '../support/rows.ts'

test('all, failures and none say it by their names', () => {
  const says = (setting: string) => [false, true].map(failed => eventLines(setting)(newId(), failed))
  assert.deepEqual(says('all'), [true, true])
  assert.deepEqual(says('failures'), [false, true])
  assert.deepEqual(says('none'), [false, false])
})

test('a sample has its share of the events, all lines of each, and what failed of the others', () => {
  const hasLine = eventLines('sample:0.1')
  const ids = Array.from({ length: 20_000 }, newId)
  const inSample = ids.filter(id => hasLine(id, false))
  // 2,000 are expected. A share as far off as this comes once in 10¹⁸ runs.
  assert.ok(Math.abs(inSample.length - 2000) < 400, `${inSample.length}`)
  const other = eventLines('sample:0.1')
  assert.deepEqual(
    inSample,
    ids.filter(id => other(id, false)),
    'each process decides alike',
  )
  assert.ok(ids.every(id => hasLine(id, true)))
  assert.ok(!ids.some(id => eventLines('sample:0')(id, false)))
  assert.ok(ids.every(id => eventLines('sample:1')(id, false)))
})
