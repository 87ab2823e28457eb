import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { RoundRobin } from '../../src/dispatch/round-robin.ts'

interface SubscriptionQueue {
  readonly tenant: string
  readonly name: string
}

const line = (name: string): SubscriptionQueue => ({ tenant: name[0] ?? '', name })

/** Takes `count` turns; each line is put back after its turn. */
function turns(ring: RoundRobin<SubscriptionQueue>, count: number): string {
  const names: string[] = []
  for (let turn = 0; turn < count; turn++) {
    const next = ring.next()
    if (!next) break
    names.push(next.name)
    ring.add(next)
  }
  return names.join(' ')
}

test('an empty ring gives nothing', () => {
  assert.equal(new RoundRobin<SubscriptionQueue>().next(), undefined)
})

test('tenants take turns, and within each its subscriptions', () => {
  const ring = new RoundRobin<SubscriptionQueue>()
  for (const name of ['a1', 'a2', 'a3', 'b1', 'c1', 'c2']) ring.add(line(name))
  assert.equal(turns(ring, 9), 'a1 b1 c1 a2 b1 c2 a3 b1 c1')
})

test('whoever is not put back is out', () => {
  const ring = new RoundRobin<SubscriptionQueue>()
  for (const name of ['a1', 'b1', 'a2']) ring.add(line(name))
  const names = [ring.next(), ring.next(), ring.next(), ring.next()].map(next => next?.name)
  assert.deepEqual(names, ['a1', 'b1', 'a2', undefined])
})

test('one tenant with a thousand busy subscriptions gets no more turns than one with a single one', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 8 }), sizes => {
      const ring = new RoundRobin<SubscriptionQueue>()
      const letters = 'abcdefgh'
      sizes.forEach((size, tenant) => {
        for (let n = 0; n < size; n++) ring.add(line(`${letters[tenant]}${n}`))
      })
      const taken = turns(ring, 40 * sizes.length).split(' ')
      const byTenant = Map.groupBy(taken, name => name[0])
      for (const [, names] of byTenant) assert.equal(names.length, 40)
      for (const [, names] of byTenant) {
        const counts = [...Map.groupBy(names, name => name).values()].map(same => same.length)
        assert.ok(Math.max(...counts) - Math.min(...counts) <= 1)
      }
    }),
    { numRuns: 50 },
  )
})
