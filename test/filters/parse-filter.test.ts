import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileFilter } from '../../src/filters/filter.ts'
import { filterLimits } from '../../src/filters/parse-filter.ts'

/** The places of all faults. */
function faultsOf(value: unknown): readonly string[] {
  const compiled = compileFilter(value, '/filter')
  return compiled.kind === 'filter' ? [] : compiled.errors.map(({ pointer }) => pointer)
}

const repeated = <T>(count: number, one: T) => new Array<T>(count).fill(one)

test('what a filter cannot be is refused at its place', () => {
  const wrong: readonly (readonly [unknown, string])[] = [
    [null, ''],
    [5, ''],
    ['payload', ''],
    [[], ''],
    [{}, ''],
    [undefined, ''],
    [{ body: { a: 1 } }, '/body'],
    [{ $exist: true }, '/$exist'],
    [{ $eq: 1 }, '/$eq'],
    [{ constructor: 1 }, '/constructor'],
    [{ $or: [5] }, '/$or/0'],
    [{ payload: {} }, '/payload'],
    [{ payload: { a: {} } }, '/payload/a'],
    [{ payload: { a: [1] } }, '/payload/a'],
    [{ payload: { a: { $regex: '.*' } } }, '/payload/a/$regex'],
    [{ payload: { a: { $toString: 1 } } }, '/payload/a/$toString'],
    [{ payload: { $constructor: 1 } }, '/payload/$constructor'],
    [{ payload: { a: { $eq: {} } } }, '/payload/a/$eq'],
    [{ payload: { a: { $eq: [1] } } }, '/payload/a/$eq'],
    [{ payload: { a: { $gt: true } } }, '/payload/a/$gt'],
    [{ payload: { a: { $lt: null } } }, '/payload/a/$lt'],
    [{ payload: { a: { $lte: [1] } } }, '/payload/a/$lte'],
    [{ payload: { a: { $in: 'ab' } } }, '/payload/a/$in'],
    [{ payload: { a: { $in: [] } } }, '/payload/a/$in'],
    [{ payload: { a: { $nin: [[1]] } } }, '/payload/a/$nin'],
    [{ payload: { a: { $in: repeated(101, 1) } } }, '/payload/a/$in'],
    [{ payload: { a: { $startsWith: 1 } } }, '/payload/a/$startsWith'],
    [{ payload: { a: { $endsWith: '' } } }, '/payload/a/$endsWith'],
    [{ payload: { a: { $exist: 'yes' } } }, '/payload/a/$exist'],
    [{ payload: { a: { $or: { b: 1 } } } }, '/payload/a/$or'],
    [{ payload: { a: { $and: [] } } }, '/payload/a/$and'],
    [{ payload: { a: { $not: {} } } }, '/payload/a/$not'],
    [{ payload: { a: { $not: [1] } } }, '/payload/a/$not'],
    [{ payload: { a: 2 ** 53 } }, '/payload/a'],
    [{ payload: { a: { $gte: Number.POSITIVE_INFINITY } } }, '/payload/a/$gte'],
    [{ payload: { a: { $in: [1, -(2 ** 53)] } } }, '/payload/a/$in'],
    [{ payload: { 'a/b~c': { $x: 1 } } }, '/payload/a~1b~0c/$x'],
    [{ headers: { 'x-a': { b: 1 } } }, '/headers/x-a/b'],
    [{ event_type: { a: 'b' } }, '/event_type/a'],
    [{ $and: [{ payload: 1 }, { payload: { a: { $is: 1 } } }] }, '/$and/1/payload/a/$is'],
  ]
  for (const [filter, pointer] of wrong)
    assert.deepEqual(faultsOf(filter), [`/filter${pointer}`], JSON.stringify(filter))
})

test('all faults are told at once, at most 20', () => {
  assert.deepEqual(faultsOf({ payload: { a: { $x: 1 }, b: { $in: 1 }, c: 1 }, body: 1 }), [
    '/filter/payload/a/$x',
    '/filter/payload/b/$in',
    '/filter/body',
  ])
  const many = Object.fromEntries(repeated(1000, 0).map((_, index) => [`$${index}`, 1]))
  assert.equal(faultsOf({ payload: many }).length, 20)
  assert.equal(faultsOf({ payload: { $or: repeated(1000, { $x: 1 }) } }).length, 20)
})

test('a fault says what to do', () => {
  const details = [
    { payload: { a: { $regex: '.*' } } },
    { payload: { a: [1] } },
    { payload: { a: 2 ** 60 } },
  ].map(filter => {
    const compiled = compileFilter(filter)
    return compiled.kind === 'invalid' ? compiled.errors[0]?.detail : undefined
  })
  assert.match(String(details[0]), /\$eq, .*\$startsWith.*\$not/)
  assert.match(String(details[1]), /use \$in/)
  assert.match(String(details[2]), /9007199254740991.*as texts/)
})

test('an operator without its $ is not taken for a field, unless what stands there is none of its operands', () => {
  for (const [filter, pointer, operator] of [
    [{ payload: { total: { gte: 100 } } }, '/payload/total/gte', '$gte'],
    [{ payload: { a: { in: ['x'] } } }, '/payload/a/in', '$in'],
    [{ payload: { a: { exist: true } } }, '/payload/a/exist', '$exist'],
    [{ payload: { a: { exists: false } } }, '/payload/a/exists', '$exist'],
    [{ payload: { a: { ne: 1 } } }, '/payload/a/ne', '$neq'],
    [{ payload: { or: [{ a: 1 }] } }, '/payload/or', '$or'],
    [{ headers: { 'x-a': { startsWith: 'b' } } }, '/headers/x-a/startsWith', '$startsWith'],
    [{ event_type: { eq: 'b' } }, '/event_type/eq', '$eq'],
  ] as const) {
    const compiled = compileFilter(filter, '', 'caller')
    assert.ok(compiled.kind === 'invalid', pointer)
    assert.deepEqual(
      compiled.errors.map(error => error.pointer),
      [pointer],
    )
    assert.ok(compiled.errors[0]?.detail.startsWith(`Operators begin with $: give ${operator}. For a field`))
  }
  for (const filter of [
    { payload: { in: 'Oslo', not: { or: 1 }, gte: { $eq: 1 }, exist: 'yes' } },
    { payload: { eq: { low: { $gt: 3 } } } },
  ])
    assert.equal(compileFilter(filter, '', 'caller').kind, 'filter')
  // One that was stored before this was refused is kept as it is.
  assert.equal(compileFilter({ payload: { total: { gte: 100 } } }).kind, 'filter')
})

test('depth, clauses and bytes are bounded, and the bounds themselves pass', () => {
  const nested = (levels: number) => {
    let filter: unknown = 1
    for (let level = 1; level < levels; level++) filter = { a: filter }
    return { payload: filter }
  }
  assert.deepEqual(faultsOf(nested(filterLimits.depth - 1)), [])
  assert.equal(faultsOf(nested(filterLimits.depth + 1)).length, 1)
  const clauses = (count: number) => ({ payload: { a: { $or: repeated(count, 1) } } })
  assert.deepEqual(faultsOf(clauses(filterLimits.clauses)), [])
  assert.deepEqual(faultsOf(clauses(filterLimits.clauses + 1)), [
    `/filter/payload/a/$or/${filterLimits.clauses}`,
  ])
  assert.equal(faultsOf(clauses(100_000)).length, 1)
  const size = (bytes: number) => ({ payload: 'x'.repeat(bytes - '{"payload":""}'.length) })
  assert.deepEqual(faultsOf(size(filterLimits.bytes)), [])
  assert.deepEqual(faultsOf(size(filterLimits.bytes + 1)), ['/filter'])
})

test('a filter nested a hundred thousand times is refused as too deep', () => {
  const levels = 100_000
  const inArrays = JSON.parse(`${'{"$or":['.repeat(levels)}{"payload":1}${']}'.repeat(levels)}`)
  assert.equal(faultsOf(inArrays).length, 1)
  const inObjects = JSON.parse(`{"payload":${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}}`)
  assert.equal(faultsOf(inObjects).length, 1)
})

test('no caller may ask for headers with credentials, in whatever way; for a stored filter they are not there', () => {
  const asking = [
    { headers: { Authorization: { $startsWith: 'Bearer whk_' } } },
    { headers: { cookie: { $exist: true } } },
    { headers: { $not: { 'X-Api-Key': 'a' } } },
    { $or: [{ event_type: 'a' }, { headers: { 'proxy-authorization': 'a' } }] },
  ]
  const input = {
    ...{ eventType: 'b', payload: {}, metadata: {} },
    headers: { authorization: 'Bearer whk_1', cookie: 'a', 'x-api-key': 'b', 'proxy-authorization': 'a' },
  }
  for (const filter of asking) {
    const asked = compileFilter(filter, '/filter', 'caller')
    assert.match(JSON.stringify(asked), /holds credentials/)
    const stored = compileFilter(filter)
    assert.ok(stored.kind === 'filter')
    const without = { ...input, headers: {} }
    assert.equal(stored.filter.matches(input), stored.filter.matches(without), JSON.stringify(filter))
  }
  assert.equal(compileFilter({ headers: { 'x-github-event': 'push' } }, '', 'caller').kind, 'filter')
})
