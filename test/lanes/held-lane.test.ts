import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isLow, newLane, setChunk } from '../../src/lanes/held-lane.ts'
import { noon } from '../support/clock.ts'

const aLane = () => newLane(1, noon, () => {})

/** Reads that found more than they could take, so long one after the other. @returns how many rows may be held then */
function afterReads(lane: ReturnType<typeof aLane>, count: number, apartMs: number): number {
  const from = Math.max(noon, lane.readAt)
  for (let n = 1; n <= count; n++) setChunk(lane, from + n * apartMs)
  return lane.chunk
}

test('a lane holds few rows at first, and more when its receiver is quick', () => {
  const lane = aLane()
  assert.equal(lane.chunk, 100)
  assert.equal(afterReads(lane, 2, 100), 200)
  assert.equal(afterReads(lane, 10, 100), 400)
})

test('a lane whose receiver has become slow holds few rows again', () => {
  const lane = aLane()
  afterReads(lane, 10, 100)
  assert.equal(afterReads(lane, 5, 500), 400, 'neither quick nor slow')
  assert.equal(afterReads(lane, 10, 2000), 100)
})

test('the next rows are read when half of them have left memory', () => {
  const lane = aLane()
  lane.inMemory = 51
  assert.equal(isLow(lane), false)
  lane.inMemory = 50
  assert.equal(isLow(lane), true)
})
