import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LeasedLane } from '../../src/lanes/leased-lane.ts'
import type { DueRow } from '../../src/lanes/store.ts'
import { noon } from '../support/clock.ts'
import { newId } from '../support/rows.ts'

const aLane = () => new LeasedLane(1, noon, () => {})

function aRow(): DueRow {
  const common = { subscriptionId: 1, attempt: 1, sizeBytes: 7, dueAt: noon }
  return {
    ...common,
    webhookId: newId(),
    replayFrom: null,
    replayedAt: null,
    trigger: null,
    orderingKey: null,
  }
}

let readAt = noon

/** Reads that found more than they could take, with this time between them. @returns how many rows may be held then */
function afterReads(lane: LeasedLane, count: number, apartMs: number): number {
  for (let n = 0; n < count; n++) {
    readAt += apartMs
    lane.setChunk(readAt)
  }
  return lane.chunk
}

test('a lane holds few rows at first, and more when its receiver is quick', () => {
  const lane = aLane()
  assert.equal(lane.chunk, 100)
  assert.equal(afterReads(lane, 1, 100), 100)
  assert.equal(afterReads(lane, 1, 100), 200)
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
  const taken = Array.from({ length: 51 }, () => lane.took(aRow()))
  assert.equal(lane.isLow, false)
  for (const delivery of taken.slice(50)) lane.leave(delivery)
  assert.equal(lane.isLow, true)
})

test('a pass is over when all that was due is found and settled, and only then another begins', () => {
  const lane = aLane()
  const row = aRow()
  const delivery = lane.took(row)
  assert.throws(() => lane.beginPass(), /reading, 1 in memory/)
  lane.exhaust()
  assert.throws(() => lane.beginPass(), /exhausted, 1 in memory/)
  assert.deepEqual([lane.isPassOver, lane.after?.webhookId], [false, row.webhookId])
  lane.leave(delivery)
  assert.deepEqual([lane.isPassOver, lane.hasFound], [true, true])
  lane.beginPass()
  assert.deepEqual([lane.mode, lane.after, lane.hasFound], ['reading', undefined, false])
})

test('a lane that ends reads nothing more, and ends as it began to', () => {
  for (const [end, mode] of [
    [(lane: LeasedLane) => lane.close(), 'closing'],
    [(lane: LeasedLane) => lane.giveWay(), 'giving way'],
  ] as const) {
    const lane = aLane()
    end(lane)
    for (const change of ['exhaust', 'goOn', 'close', 'giveWay'] as const) lane[change]()
    assert.deepEqual([lane.mode, lane.isEnding], [mode, true])
    lane.lose()
    lane.close()
    assert.equal(lane.mode, 'lost')
  }
})
