import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Listed, UnorderedList } from '../../src/platform/unordered-list.ts'

test('holds what was added and not removed, each once, whatever the order', () => {
  const steps = fc.array(fc.record({ add: fc.boolean(), which: fc.nat(9) }))
  fc.assert(
    fc.property(steps, steps => {
      const list = new UnorderedList<Listed>()
      const items = Array.from({ length: 10 }, () => ({ listIndex: -1 }))
      const expected = new Set<Listed>()
      for (const { add, which } of steps) {
        const item = items[which]
        assert.ok(item)
        if (add && !expected.has(item)) list.add(item)
        else if (!add) list.remove(item)
        if (add) expected.add(item)
        else expected.delete(item)
        assert.equal(list.size, expected.size)
        assert.deepEqual(new Set(list.toArray()), expected)
      }
    }),
  )
})

test('items may go while a copy of the list is walked', () => {
  const list = new UnorderedList<Listed>()
  for (let n = 0; n < 5; n++) list.add({ listIndex: -1 })
  for (const item of list.toArray()) list.remove(item)
  assert.equal(list.size, 0)
})
