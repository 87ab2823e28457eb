import assert from 'node:assert/strict'
import { test } from 'node:test'
import { emptyHeldMemory, type HeldMemory, MemoryBudget } from '../../src/dispatch/memory-budget.ts'
import type { SharedPayload } from '../../src/model/delivery.ts'

function aRoom(limits: { readonly heldInAll?: number; readonly heldBytes?: number } = {}) {
  const room = new MemoryBudget({
    heldPerSubscription: 1000,
    heldInAll: 40_000,
    heldBytes: 1_000_000,
    ...limits,
  })
  const lines = new Map<number, HeldMemory>()
  const of = (id: number) => lines.get(id) ?? lines.set(id, emptyHeldMemory()).get(id) ?? emptyHeldMemory()
  return {
    room,
    take(id: number, sizeBytes: number, shared?: SharedPayload): boolean {
      if (!room.has(of(id), sizeBytes, true, shared)) return false
      room.take(of(id), sizeBytes, true, shared)
      return true
    },
    leave: (id: number, sizeBytes: number, shared?: SharedPayload) =>
      room.giveBack(of(id), sizeBytes, true, shared),
  }
}

test('the payload of an event counts once, to however many it goes', () => {
  const { room, take } = aRoom()
  const shared = { holders: 0 }
  for (let id = 1; id <= 1000; id++) assert.equal(take(id, 500_000, shared), true, `subscription ${id}`)
  assert.deepEqual([room.held, room.heldBytes], [1000, 500_000])
  assert.equal(take(2000, 600_000), false, 'that much is not free')
  assert.equal(take(2000, 400_000), true)
})

test('its bytes are free again when the last delivery has left, in any order', () => {
  const { room, take, leave } = aRoom()
  const shared = { holders: 0 }
  for (const id of [1, 2, 3]) take(id, 100, shared)
  leave(2, 100, shared)
  leave(1, 100, shared)
  assert.deepEqual([room.held, room.heldBytes], [1, 100])
  leave(3, 100, shared)
  assert.deepEqual([room.held, room.heldBytes], [0, 0])
  assert.equal(take(1, 100, shared), true, 'and count again when one more comes')
  assert.equal(room.heldBytes, 100)
})

test('one event for very many takes a quarter of the places that are free, and the next one finds some', () => {
  const { room, take } = aRoom({ heldInAll: 4000 })
  let id = 0
  const fanOut = () => {
    const shared = { holders: 0 }
    let held = 0
    while (take(++id, 10, shared)) held++
    return held
  }
  assert.deepEqual([fanOut(), fanOut(), fanOut()], [1000, 750, 563])
  for (let n = 0; n < 1000; n++)
    assert.equal(take(++id, 10), true, 'what goes to one finds a place all the same')
  assert.ok(room.held < 4000)
})

test('an event for a few is held as long as there is any room', () => {
  const { take } = aRoom({ heldInAll: 10 })
  for (let id = 1; id <= 6; id++) assert.equal(take(id, 10), true)
  const shared = { holders: 0 }
  assert.deepEqual(
    [11, 12, 13, 14].map(id => take(id, 10, shared)),
    [true, true, true, false],
  )
})
