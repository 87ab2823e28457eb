import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  emptyHeldMemory,
  type HeldMemory,
  MemoryBudget,
  type MemoryLimits,
} from '../../src/dispatch/memory-budget.ts'

const roomy = { heldPerSubscription: 1000, heldInAll: 40_000, heldBytes: 64_000_000 }

function aRoom(limits: Partial<MemoryLimits> = {}) {
  const room = new MemoryBudget({ ...roomy, ...limits })
  const lines = new Map<number, HeldMemory>()
  const of = (id: number) => lines.get(id) ?? lines.set(id, emptyHeldMemory()).get(id) ?? emptyHeldMemory()
  const take = (fresh: boolean, id: number, sizeBytes = 10): boolean => {
    if (!room.has(of(id), sizeBytes, fresh)) return false
    room.take(of(id), sizeBytes, fresh)
    return true
  }
  return {
    room,
    fresh: (id: number, sizeBytes?: number) => take(true, id, sizeBytes),
    ofLane: (id: number, sizeBytes?: number) => take(false, id, sizeBytes),
    giveBack: (id: number, sizeBytes: number, fresh: boolean) => room.giveBack(of(id), sizeBytes, fresh),
    of,
  }
}

/** Takes as many as it gets. */
function fill(take: () => boolean): number {
  let taken = 0
  while (take()) taken++
  return taken
}

test('lanes get three quarters of the places, and what is fresh finds one all the same', () => {
  const { fresh, ofLane, room } = aRoom({ heldInAll: 400 })
  let id = 0
  fill(() => ofLane(++id))
  assert.equal(room.held, 300)
  assert.equal(fresh(1), true, 'of a subscription with a backlog')
  assert.equal(fresh(9999), true)
})

test('lanes get three quarters of the bytes, and what is fresh finds room all the same', () => {
  const { fresh, ofLane, room } = aRoom({ heldBytes: 1000 })
  let id = 0
  fill(() => ofLane(++id, 100))
  assert.equal(room.heldBytes, 700)
  assert.equal(fresh(9999, 100), true)
})

test('fresh events take no more than there is, and are refused beyond it', () => {
  const places = aRoom({ heldInAll: 5 })
  let id = 0
  assert.equal(
    fill(() => places.fresh(++id)),
    5,
  )
  assert.equal(places.ofLane(77), false)
  const bytes = aRoom({ heldBytes: 100 })
  assert.deepEqual([bytes.fresh(1, 60), bytes.fresh(2, 41), bytes.fresh(3, 40)], [true, false, true])
})

test('a subscription never holds more than its bound, and half of it by what is fresh', () => {
  const { fresh, ofLane } = aRoom({ heldPerSubscription: 100 })
  assert.equal(
    fill(() => fresh(1)),
    50,
  )
  assert.equal(
    fill(() => ofLane(1)),
    50,
  )
  assert.equal(
    fill(() => ofLane(2)),
    100,
  )
})

test('one subscription leaves most of the memory to others, in deliveries and in bytes', () => {
  const { fresh, ofLane, of } = aRoom({ heldInAll: 1000, heldBytes: 1_000_000 })
  fill(() => ofLane(1))
  fill(() => fresh(1))
  const { count } = of(1).ofLane
  assert.ok(count <= 1000 / 4 && count >= 70, `${count} places`)
  fill(() => ofLane(2, 10_000))
  fill(() => fresh(3, 10_000))
  assert.ok(of(2).ofLane.bytes <= 1_000_000 / 4, `${of(2).ofLane.bytes} bytes`)
  assert.ok(of(3).fresh.bytes <= 1_000_000 / 4, `${of(3).fresh.bytes} bytes`)
})

test('all the lanes that can be leased find room, however much the first of them would take', () => {
  const { ofLane, of } = aRoom()
  const lanes = Array.from({ length: 4096 }, (_, n) => n + 1)
  for (const id of lanes) for (let n = 0; n < 60; n++) ofLane(id)
  for (const id of lanes) assert.ok(of(id).ofLane.count >= 3, `${id} holds ${of(id).ofLane.count}`)
})

test('who holds little may have one more as long as it fits, though it is more than its part', () => {
  const { ofLane, fresh } = aRoom({ heldBytes: 1000 })
  assert.deepEqual([ofLane(1, 200), ofLane(1, 200), ofLane(1, 200)], [true, true, true])
  assert.deepEqual([ofLane(1, 10), ofLane(2, 100)], [false, true])
  assert.equal(fresh(3, 250), true)
})

test('a delivery larger than all the room is let in alone', () => {
  const { fresh, giveBack } = aRoom({ heldBytes: 100 })
  assert.equal(fresh(1, 500), true)
  assert.equal(fresh(2, 0), false)
  giveBack(1, 500, true)
  assert.equal(fresh(2, 1), true)
  assert.equal(fresh(1, 500), false)
})

test('what is given back is free again', () => {
  const { room, ofLane, giveBack } = aRoom({ heldInAll: 4 })
  const ids = [1, 2, 3]
  for (const id of ids) assert.equal(ofLane(id), true)
  assert.equal(ofLane(4), false)
  giveBack(1, 10, false)
  assert.equal(ofLane(4), true)
  for (const id of [2, 3, 4]) giveBack(id, 10, false)
  assert.deepEqual([room.held, room.heldBytes], [0, 0])
})
