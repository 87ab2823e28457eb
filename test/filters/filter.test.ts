import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { compileFilter } from '../../src/filters/filter.ts'
import { aFilter, anInput, filters, inputs, matchesByTheBook } from '../support/filters.ts'

/** Whether conditions on the payload hold for one, given as JSON. */
function holds(conditions: unknown, payload: string): boolean {
  return aFilter({ payload: conditions }).matches(anInput({ payload: JSON.parse(payload) }))
}

test('a bare value means equality, and nested objects are paths', () => {
  const filter = { order: { status: 'paid', total: 100 } }
  assert.equal(holds(filter, '{"order":{"status":"paid","total":100.0,"more":1}}'), true)
  assert.equal(holds(filter, '{"order":{"status":"paid"}}'), false)
  assert.equal(holds(filter, '{"order":"paid"}'), false)
  assert.equal(holds('text', '"text"'), true)
})

test('values of different types are never equal, and never larger or smaller', () => {
  for (const operator of ['$eq', '$gt', '$gte', '$lt', '$lte']) {
    assert.equal(holds({ n: { [operator]: 1 } }, '{"n":"1"}'), false, operator)
    assert.equal(holds({ n: { [operator]: '1' } }, '{"n":1}'), false, operator)
    assert.equal(holds({ n: { [operator]: 0 } }, '{"n":null}'), false, operator)
    assert.equal(holds({ n: { [operator]: 1 } }, '{"n":true}'), false, operator)
    assert.equal(holds({ n: { [operator]: 0 } }, '{"n":{}}'), false, operator)
  }
  assert.equal(holds({ n: { $neq: 1 } }, '{"n":"1"}'), true)
})

test('null is a value, and a field that is missing has none', () => {
  assert.equal(holds({ a: null }, '{"a":null}'), true)
  assert.equal(holds({ a: null }, '{}'), false)
  assert.equal(holds({ a: { $exist: true } }, '{"a":null}'), true)
  assert.equal(holds({ a: { $exist: false } }, '{}'), true)
  assert.equal(holds({ a: { b: { $exist: false } } }, '{"a":1}'), true)
  assert.equal(holds({ a: { $neq: 1 } }, '{}'), true)
  assert.equal(holds({ a: { $nin: [1, null] } }, '{}'), true)
  assert.equal(holds({ a: { $nin: [1, null] } }, '{"a":null}'), false)
})

test('an array fits when one of its elements does, for all comparisons and fields of an object', () => {
  assert.equal(holds({ tags: 'new' }, '{"tags":["old","new"]}'), true)
  assert.equal(holds({ tags: 'new' }, '{"tags":[["new"]]}'), false)
  assert.equal(holds({ tags: 'new' }, '{"tags":[]}'), false)
  const item = { items: { sku: 'a', count: { $gte: 2 } } }
  assert.equal(holds(item, '{"items":[{"sku":"b","count":9},{"sku":"a","count":2}]}'), true)
  assert.equal(holds(item, '{"items":[{"sku":"b","count":9},{"sku":"a","count":1}]}'), false)
  assert.equal(holds({ n: { $gte: 10, $lt: 20 } }, '{"n":[5,25]}'), false)
  assert.equal(holds({ a: { b: 1 } }, '[{"a":{"b":2}},{"a":[{"b":2},{"b":1}]}]'), true)
})

test('on an array $neq, $nin and $not say that no element fits', () => {
  assert.equal(holds({ tags: { $neq: 'new' } }, '{"tags":["old","new"]}'), false)
  assert.equal(holds({ tags: { $neq: 'new' } }, '{"tags":["old"]}'), true)
  assert.equal(holds({ tags: { $nin: ['x', 'new'] } }, '{"tags":["new"]}'), false)
  assert.equal(holds({ tags: { $not: { $startsWith: 'n' } } }, '{"tags":["old","new"]}'), false)
  assert.equal(holds({ items: { $not: { sku: 'a' } } }, '{"items":[]}'), true)
})

test('$or, $and and $not combine whole conditions at any level', () => {
  assert.equal(holds({ tags: { $and: ['a', 'b'] } }, '{"tags":["b","c","a"]}'), true)
  assert.equal(holds({ tags: { $and: ['a', 'b'] } }, '{"tags":["a"]}'), false)
  assert.equal(holds({ n: { $or: [{ $lt: 0 }, { $gt: 10 }, 5] } }, '{"n":5}'), true)
  assert.equal(holds({ n: { $or: [{ $lt: 0 }, { $gt: 10 }, 5] } }, '{"n":6}'), false)
  const filter = aFilter({ $or: [{ event_type: 'a' }, { $not: { payload: { n: { $exist: true } } } }] })
  assert.equal(filter.matches(anInput({ eventType: 'a', payload: { n: 1 } })), true)
  assert.equal(filter.matches(anInput({ eventType: 'b', payload: {} })), true)
  assert.equal(filter.matches(anInput({ eventType: 'b', payload: { n: 1 } })), false)
})

test('texts are compared by beginning, end and order', () => {
  assert.equal(holds({ id: { $startsWith: 'ord_' } }, '{"id":"ord_1"}'), true)
  assert.equal(holds({ id: { $startsWith: 'ord_' } }, '{"id":1}'), false)
  assert.equal(holds({ id: { $endsWith: '_eu' } }, '{"id":"ord_1_eu"}'), true)
  assert.equal(holds({ at: { $gte: '2026-01-01T00:00:00Z' } }, '{"at":"2026-03-01T12:00:00Z"}'), true)
})

test('whole numbers that JSON cannot hold are equal to none that a filter can', () => {
  assert.equal(holds({ n: 9007199254740991 }, '{"n":9007199254740991}'), true)
  for (const larger of ['9007199254740992', '9007199254740993', '9007199254740993.0', '1e400'])
    for (const n of [9007199254740991, 9007199254740990, 0])
      assert.equal(holds({ n }, `{"n":${larger}}`), false, larger)
  assert.equal(holds({ n: { $gt: 9007199254740991 } }, '{"n":9007199254740993}'), true)
  assert.equal(compileFilter(JSON.parse('{"payload":{"n":9007199254740993}}')).kind, 'invalid')
  assert.equal(holds({ n: 0.1 }, '{"n":0.10}'), true)
  assert.equal(holds({ n: 0 }, '{"n":-0}'), true)
})

test('names of headers fit in any case, and a header with several values is an array', () => {
  const filter = aFilter({ headers: { 'X-GitHub-Event': 'push', 'x-tag': { $in: ['b'] } } })
  assert.equal(filter.matches(anInput({ headers: { 'x-github-event': 'push', 'x-tag': ['a', 'b'] } })), true)
  assert.equal(filter.matches(anInput({ headers: { 'x-github-event': 'ping', 'x-tag': ['a', 'b'] } })), false)
  const nested = aFilter({ headers: { $or: [{ 'X-A': '1' }, { $not: { 'X-B': { $exist: true } } }] } })
  assert.equal(nested.matches(anInput({ headers: { 'x-b': '1' } })), false)
  assert.equal(nested.matches(anInput({ headers: { 'x-b': '1', 'x-a': '1' } })), true)
})

test('an event without a type has none', () => {
  assert.equal(aFilter({ event_type: { $exist: false } }).matches(anInput()), true)
  assert.equal(aFilter({ event_type: { $startsWith: 'order.' } }).matches(anInput()), false)
  assert.equal(
    aFilter({ event_type: { $startsWith: 'order.' } }).matches(anInput({ eventType: 'order.x' })),
    true,
  )
})

test('names that every object inherits are fields like others', () => {
  for (const name of ['constructor', 'toString', '__proto__', 'hasOwnProperty']) {
    const conditions = JSON.parse(`{"${name}":{"$exist":true}}`)
    assert.equal(holds(conditions, '{}'), false, name)
    assert.equal(holds(conditions, `{"${name}":1}`), true, name)
    assert.equal(holds(JSON.parse(`{"${name}":{"name":{"$exist":true}}}`), '{}'), false, name)
  }
  assert.equal(holds({ length: 2 }, '["a","b"]'), false)
  assert.equal(holds({ length: 2 }, '"ab"'), false)
})

test('the payload is asked for only when the rest has not decided', () => {
  let asked = 0
  const input = {
    ...anInput({ eventType: 'a' }),
    get payload() {
      asked++
      return { n: 1 }
    },
  }
  assert.equal(aFilter({ event_type: 'b', payload: { n: 1 } }).matches(input), false)
  assert.equal(aFilter({ event_type: 'a' }).matches(input), true)
  assert.equal(asked, 0)
  assert.equal(aFilter({ event_type: 'a', payload: { n: 1 } }).matches(input), true)
  assert.equal(asked, 1)
})

test('a compiled filter says what the rules say, whatever filter and event', () => {
  let matched = 0
  const runs = 20_000
  fc.assert(
    fc.property(filters, inputs, (filter, input) => {
      const matches = aFilter(filter).matches(input)
      assert.equal(matches, matchesByTheBook(filter, input))
      if (matches) matched++
    }),
    { numRuns: runs },
  )
  // Else the test would say little.
  assert.ok(matched > runs / 20 && matched < (runs * 19) / 20, `${matched} of ${runs} matched`)
})

test('any JSON as a filter is compiled or refused with a place, and any event is answered', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (value, payload) => {
      for (const filter of [value, { payload: value }, { headers: value }, { $or: [value] }]) {
        const compiled = compileFilter(filter, '/filter')
        if (compiled.kind === 'filter')
          assert.equal(typeof compiled.filter.matches(anInput({ payload })), 'boolean')
        else for (const { pointer } of compiled.errors) assert.match(pointer, /^\/filter/)
      }
    }),
    { numRuns: 2000 },
  )
})
