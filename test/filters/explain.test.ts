import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decidingReason, explainFilter } from '../../src/filters/explain.ts'
import { aFilter, anInput, filters, inputs } from '../support/filters.ts'

test('each clause is told with its place, what the event has there, and whether it holds', () => {
  const filter = aFilter({
    event_type: { $startsWith: 'order.' },
    payload: { total: { $gte: 100 }, coupon: { $exist: true } },
  })
  const input = anInput({ eventType: 'order.paid', payload: { total: 20 } })
  assert.deepEqual(explainFilter(filter, input), {
    matches: false,
    why: [
      {
        pointer: '/event_type/$startsWith',
        clause: '$startsWith "order."',
        value: 'order.paid',
        holds: true,
      },
      { pointer: '/payload/total/$gte', clause: '$gte 100', value: 20, holds: false },
      { pointer: '/payload/coupon/$exist', clause: '$exist true', holds: false },
    ],
  })
})

test('$or, $and and $not have a line of their own before what they combine', () => {
  const filter = aFilter({ payload: { n: { $or: [1, { $not: { $lt: 10 } }] } } })
  assert.deepEqual(explainFilter(filter, anInput({ payload: { n: 5 } })), {
    matches: false,
    why: [
      { pointer: '/payload/n/$or', clause: '$or', holds: false },
      { pointer: '/payload/n/$or/0', clause: '$eq 1', value: 5, holds: false },
      { pointer: '/payload/n/$or/1/$not', clause: '$not', holds: false },
      { pointer: '/payload/n/$or/1/$not/$lt', clause: '$lt 10', value: 5, holds: true },
    ],
  })
})

test('where no element of an array fits as a whole, a line says so', () => {
  const filter = aFilter({ payload: { items: { sku: 'a', count: { $gte: 2 } } } })
  const payload = {
    items: [
      { sku: 'a', count: 1 },
      { sku: 'b', count: 9 },
    ],
  }
  assert.deepEqual(explainFilter(filter, anInput({ payload })), {
    matches: false,
    why: [
      { pointer: '/payload/items', clause: 'one element', value: payload.items, holds: false },
      { pointer: '/payload/items/sku', clause: '$eq "a"', value: ['a', 'b'], holds: true },
      { pointer: '/payload/items/count/$gte', clause: '$gte 2', value: [1, 9], holds: true },
    ],
  })
})

test('values are cut: texts, arrays, objects and depth', () => {
  const deep = JSON.parse(`${'['.repeat(100_000)}${']'.repeat(100_000)}`)
  const wide = Object.fromEntries(
    new Array(1000).fill(0).map((_, index) => [`name ${index}`, 'x'.repeat(10_000)]),
  )
  for (const payload of [
    { a: 'x'.repeat(10_000) },
    { a: new Array(10_000).fill(wide) },
    { a: wide },
    { a: deep },
  ]) {
    const { why } = explainFilter(aFilter({ payload: { a: { $exist: false } } }), anInput({ payload }))
    assert.ok(JSON.stringify(why).length < 40_000, `${JSON.stringify(why).length}`)
    assert.match(JSON.stringify(why), /…/)
  }
})

test('the line that decides is none within a combination that holds', () => {
  const filter = aFilter({ payload: { $or: [{ a: 1 }, { b: 2 }], $and: [{ b: 2 }, { c: 3 }] } })
  const explained = explainFilter(filter, anInput({ payload: { b: 2 } }))
  assert.deepEqual(decidingReason(explained), { pointer: '/payload/$and', clause: '$and', holds: false })
  const matching = explainFilter(filter, anInput({ payload: { b: 2, c: 3 } }))
  assert.equal(decidingReason(matching), undefined)
})

test('the explanation comes to the same answer, and one line decides where it does not match', () => {
  fc.assert(
    fc.property(filters, inputs, (value, input) => {
      const filter = aFilter(value)
      const { matches, why } = explainFilter(filter, input)
      assert.equal(matches, filter.matches(input))
      assert.equal(decidingReason({ matches, why }) === undefined, matches)
    }),
    { numRuns: 5000 },
  )
})
