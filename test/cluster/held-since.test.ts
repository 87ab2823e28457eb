import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { HeldSince } from '../../src/cluster/held-since.ts'

test('what is held is younger than is said, by two seconds at the most', () => {
  const times = fc.array(fc.record({ since: fc.integer({ min: 0, max: 20_000 }), leaves: fc.boolean() }))
  fc.assert(
    fc.property(times, deliveries => {
      const held = new HeldSince()
      for (const { since } of deliveries) held.entered(since)
      for (const { since, leaves } of deliveries) if (leaves) held.left(since)
      const oldest = Math.min(...deliveries.filter(({ leaves }) => !leaves).map(({ since }) => since))
      if (oldest === Number.POSITIVE_INFINITY) assert.equal(held.oldest(), oldest)
      else
        assert.ok(held.oldest() < oldest && held.oldest() >= oldest - 2000, `${held.oldest()} for ${oldest}`)
    }),
  )
})

test('one that comes after all others have left counts', () => {
  const held = new HeldSince()
  held.entered(5000)
  held.left(5000)
  assert.equal(held.oldest(), Number.POSITIVE_INFINITY)
  held.entered(5000)
  assert.equal(held.oldest(), 4000)
})
