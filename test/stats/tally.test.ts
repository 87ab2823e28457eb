import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errorClasses } from '../../src/model/outcome.ts'
import { cellOf, numberedClasses, Tally, unknownClass, wayFactor } from '../../src/stats/tally.ts'

const counted = (cells: readonly number[]) => ({
  ...{ success: 0, failed: 0, given_up: 0, last_success_ms: null },
  cells,
})

test('cells say how attempts failed and how long they took, also counts of billions', () => {
  const tally = new Tally()
  const many = 2 ** 36 - 1
  tally.add(
    counted([cellOf(20, many), cellOf(wayFactor * 4 + 31, 3), cellOf(wayFactor * unknownClass + 303, 1)]),
  )
  tally.add(counted([cellOf(wayFactor * 4 + 30, 2)]))
  assert.deepEqual(tally.byClass, { timeout: 5, unknown: 1 })
  assert.equal(tally.percentiles.p50_ms, 20)
  assert.ok(Number.isSafeInteger(cellOf(wayFactor * unknownClass + 303, many)))
})

test('every class of errors has a number that stands for it alone', () => {
  assert.deepEqual([...numberedClasses].sort(), [...errorClasses].sort())
  assert.ok(numberedClasses.length < unknownClass)
})

test('nothing counted: no percentile, no class', () => {
  const { byClass, percentiles, lastSuccessAt } = new Tally()
  assert.deepEqual(
    { byClass, percentiles, lastSuccessAt },
    { byClass: {}, percentiles: { p50_ms: null, p95_ms: null, p99_ms: null }, lastSuccessAt: null },
  )
})
