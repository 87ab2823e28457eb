import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KeyLines } from '../../src/lanes/key-lines.ts'
import type { KeyedRow } from '../../src/lanes/keyed-store.ts'
import { asDelivery, LeasedLane } from '../../src/lanes/leased-lane.ts'
import { noon } from '../support/clock.ts'
import { newId } from '../support/rows.ts'

const lane = new LeasedLane(1, noon, () => {})
let placeAt = noon

/** The next row of a key. */
function aRow(changes: Partial<KeyedRow> = {}): KeyedRow {
  placeAt++
  return {
    ...{ subscriptionId: 1, webhookId: newId(), attempt: 1, sizeBytes: 7, dueAt: placeAt, placeAt },
    ...{ replayFrom: null, replayedAt: null, trigger: null, orderingKey: 'a' },
    ...{ before: [], isBehind: false, isBehindParked: false, hasParked: false },
    ...changes,
  }
}

function take(lines: KeyLines, row: KeyedRow) {
  assert.equal(lines.judge(row), 'take')
  const delivery = asDelivery(row, lane)
  return { delivery, isSent: lines.take(delivery, row) }
}

test('of a key the next one is sent when the one before has ended; others do not wait for it', () => {
  const lines = new KeyLines()
  const [first, second, other, none] = [
    take(lines, aRow()),
    take(lines, aRow()),
    take(lines, aRow({ orderingKey: 'b' })),
    take(lines, aRow({ orderingKey: null })),
  ]
  assert.deepEqual(
    [first, second, other, none].map(({ isSent }) => isSent),
    [true, false, true, true],
  )
  assert.deepEqual(lines.left(other.delivery, true), { dropped: [] })
  assert.equal(lines.left(first.delivery, true).next, second.delivery)
})

test('behind one that is owed still nothing is held; its key is read again from the beginning', () => {
  const lines = new KeyLines()
  const [first, second] = [take(lines, aRow()), take(lines, aRow())]
  assert.deepEqual(lines.left(first.delivery, false), { dropped: [second.delivery] })
  assert.equal(lines.needsPass, true)
  assert.equal(lines.judge(aRow()), 'leave', 'what comes later must not be taken before it')
  lines.beginPass()
  lines.beginRead()
  assert.equal(lines.needsPass, false)
  assert.equal(lines.judge(aRow({ isBehind: true })), 'park')
})

test('eight of a key are held, and what comes then is parked; the last one is sent when more was made due', () => {
  const lines = new KeyLines()
  const held = Array.from({ length: 8 }, () => take(lines, aRow()))
  assert.equal(lines.judge(aRow()), 'park')
  for (const { delivery } of held.slice(0, 6)) assert.notEqual(lines.left(delivery, true).next, undefined)
  const [seventh, eighth] = held.slice(6)
  assert.ok(seventh && eighth)
  assert.equal(lines.left(seventh.delivery, true).next, undefined)
  const [wish] = lines.wishes(1, 10)
  assert.deepEqual(wish, { subscriptionId: 1, key: 'a', rows: 8 })
  assert.ok(wish)
  assert.equal(lines.wasUnparked(wish, 1), eighth.delivery)
  assert.equal(lines.isAnyAwaited, false)
})

test('one that comes before it and was not read makes it wait for the next pass', () => {
  const lines = new KeyLines()
  const missed = newId()
  assert.equal(lines.judge(aRow({ before: [missed] })), 'leave')
  assert.equal(lines.needsPass, true)
  lines.beginPass()
  const first = aRow({ webhookId: missed })
  take(lines, first)
  assert.equal(lines.judge(aRow({ before: [missed] })), 'take')
})

test('what is in memory, or has left it since the read began, is passed over', () => {
  const lines = new KeyLines()
  const row = aRow({ orderingKey: null })
  const { delivery } = take(lines, row)
  assert.equal(lines.judge(row), 'leave')
  lines.left(delivery, true)
  assert.equal(lines.judge(row), 'leave', 'the read may have begun before it ended')
  lines.beginRead()
  assert.equal(lines.judge(row), 'take')
})

test('a key of which only parked rows are left is let go on', () => {
  const lines = new KeyLines()
  assert.equal(lines.judge(aRow({ isBehind: true, isBehindParked: true })), 'park')
  const [wish] = lines.wishes(1, 10)
  assert.ok(wish)
  assert.equal(lines.wasUnparked(wish, 2), undefined)
  assert.equal(lines.isAnyAwaited, false)
})
