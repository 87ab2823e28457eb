import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type IndexedWants, SubscriptionIndex } from '../../src/subscriptions/subscription-index.ts'

const wants = (changes: Partial<IndexedWants> = {}): IndexedWants => ({
  tenant: 'default',
  eventTypes: null,
  channels: null,
  ...changes,
})

/** An index of subscriptions 1, 2, 3, …, each with these types. */
function anIndex(...types: readonly IndexedWants['eventTypes'][]): SubscriptionIndex {
  const index = new SubscriptionIndex()
  types.forEach((eventTypes, at) => {
    index.set(at + 1, wants({ eventTypes }))
  })
  return index
}

test('exact types, patterns and no types at all are found together, in the order of their ids', () => {
  const index = anIndex(
    ['order.paid'],
    null,
    ['order.*', 'order.paid'],
    ['*.paid'],
    ['*'],
    ['order'],
    ['order.*.paid'],
  )
  assert.deepEqual(index.matching('default', 'order.paid', []), [1, 2, 3, 4, 5])
  assert.deepEqual(index.matching('default', 'order.item.paid', []), [2, 3, 5, 7])
  assert.deepEqual(index.matching('default', 'order', []), [2, 5, 6])
  assert.deepEqual(index.matching('default', 'other', []), [2, 5])
  assert.deepEqual(index.matching('default', null, []), [2, 5])
})

test('a tenant finds its own only', () => {
  const index = new SubscriptionIndex()
  for (const id of [1, 2, 3, 4]) index.set(id, wants({ tenant: `tenant-${id % 2}` }))
  assert.deepEqual(index.matching('tenant-1', 'a', []), [1, 3])
  assert.deepEqual(index.matching('tenant-2', 'a', []), [])
})

test('one with channels wants events of at least one of them, and one without any', () => {
  const index = new SubscriptionIndex()
  index.set(1, wants({ channels: ['a', 'b'] }))
  index.set(2, wants({ channels: ['b'], eventTypes: ['x.*'] }))
  index.set(3, wants())
  assert.deepEqual(index.matching('default', 'x.y', []), [3])
  assert.deepEqual(index.matching('default', 'x.y', ['b', 'a']), [1, 2, 3])
  assert.deepEqual(index.matching('default', 'z', ['b', 'c']), [1, 3])
  assert.deepEqual(index.matching('default', null, ['a']), [1, 3])
})

test('a channel is no segment of a type', () => {
  const index = new SubscriptionIndex()
  index.set(1, wants({ eventTypes: ['order'], channels: ['paid'] }))
  index.set(2, wants({ eventTypes: ['order.*'] }))
  assert.deepEqual(index.matching('default', 'order.paid', []), [2])
  assert.deepEqual(index.matching('default', 'order', []), [])
  assert.deepEqual(index.matching('default', 'order', ['paid']), [1])
})

/** As the guide says it, by a regular expression for each pattern. */
function wantsByTheBook(one: IndexedWants, tenant: string, type: string | null, channels: readonly string[]) {
  const types = one.eventTypes ?? ['*']
  const fitsType = types.some(pattern => {
    if (pattern === '*') return true
    if (type === null) return false
    const parts = pattern.split('.').map((part, at, all) => {
      if (part !== '*') return part
      return at === all.length - 1 ? '.*' : '[^.]*'
    })
    return new RegExp(`^${parts.join('\\.')}$`).test(type)
  })
  const fitsChannel = one.channels === null || one.channels.some(channel => channels.includes(channel))
  return one.tenant === tenant && fitsType && fitsChannel
}

const segments = fc.constantFrom('a', 'b', 'c')
const types = fc.array(segments, { minLength: 1, maxLength: 4 }).map(parts => parts.join('.'))
const patterns = fc
  .array(fc.oneof(segments, fc.constant('*')), { minLength: 1, maxLength: 4 })
  .map(parts => parts.join('.'))
const channels = fc.constantFrom('a', 'b', 'c.d')
const tenantNames = fc.constantFrom('one', 'a', '*')
const anyWants = fc.record({
  tenant: tenantNames,
  eventTypes: fc.option(fc.array(patterns, { minLength: 1, maxLength: 4 }), { nil: null }),
  channels: fc.option(fc.array(channels, { minLength: 1, maxLength: 3 }), { nil: null }),
})
const changes = fc.tuple(fc.integer({ min: 1, max: 12 }), fc.option(anyWants, { nil: undefined, freq: 4 }))
const events = fc.tuple(tenantNames, fc.option(types, { nil: null }), fc.array(channels, { maxLength: 2 }))

test('whatever is set and removed, the index finds what a look at all of them finds', () => {
  let matched = 0
  fc.assert(
    fc.property(
      fc.array(changes, { minLength: 10, maxLength: 60 }),
      fc.array(events, { minLength: 1, maxLength: 10 }),
      (steps, asked) => {
        const index = new SubscriptionIndex()
        const all = new Map<number, IndexedWants>()
        for (const [id, one] of steps) {
          if (one === undefined) index.remove(id)
          else index.set(id, one)
          if (one === undefined) all.delete(id)
          else all.set(id, one)
        }
        for (const [tenant, type, given] of asked) {
          const expected = [...all]
            .filter(([, one]) => wantsByTheBook(one, tenant, type, given))
            .map(([id]) => id)
            .sort((a, b) => a - b)
          assert.deepEqual(index.matching(tenant, type, given), expected)
          matched += expected.length
        }
      },
    ),
    { numRuns: 2000 },
  )
  assert.ok(matched > 5000, `${matched} matched`)
})

test('what is removed leaves nothing behind, however often it is set again', () => {
  const index = new SubscriptionIndex()
  const fill = (round: number) => {
    for (let id = 1; id <= 1000; id++) {
      const own = `${round}-${id}`
      index.set(id, wants({ tenant: own, eventTypes: [`a.${own}`, `*.${own}`], channels: [own] }))
    }
  }
  fill(0)
  const before = index.tableBytes
  for (let round = 1; round <= 20; round++) fill(round)
  for (let id = 1; id <= 1000; id++) index.remove(id)
  fill(21)
  assert.deepEqual(index.matching('21-7', 'a.21-7', ['21-7']), [7])
  assert.deepEqual(index.matching('20-7', 'a.20-7', ['20-7']), [])
  assert.ok(index.tableBytes <= before * 1.01, `${index.tableBytes} bytes, ${before} at first`)
})

test('many at one place are found in the order of their ids, in whatever order they came', () => {
  const index = new SubscriptionIndex()
  const ids = Array.from({ length: 1000 }, (_, at) => ((at * 7919) % 1000) + 1)
  for (const id of ids) index.set(id, wants({ eventTypes: ['a', 'a', '*'] }))
  assert.deepEqual(
    index.matching('default', 'a', []),
    ids.toSorted((a, b) => a - b),
  )
})
