import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RecentContents } from '../../src/deliver/recent-contents.ts'
import type { DeliveryContent } from '../../src/model/delivery.ts'
import type { Uuid } from '../../src/platform/id.ts'
import { newId } from '../support/rows.ts'

const content = (bytes = 10): DeliveryContent => ({
  eventType: null,
  contentType: 'text/plain',
  payload: Buffer.alloc(bytes),
})

/** An id whose places are those of all others with the same end. */
const withEnd = (n: number, end: string) =>
  `${newId().slice(0, -8)}${String(n).padStart(4, '0')}${end}` as Uuid

function aWorld() {
  const clock = { now: 0 }
  return { clock, recent: new RecentContents(() => clock.now) }
}

test('what was remembered is taken once, and by each delivery for which it was', () => {
  const { recent } = aWorld()
  const [one, shared] = [newId(), newId()]
  const [first, second] = [content(), content()]
  recent.remember(one, first)
  assert.deepEqual([recent.has(one), recent.has(newId())], [true, false])
  for (let n = 0; n < 3; n++) recent.remember(shared, second)
  assert.equal(recent.take(one), first)
  assert.equal(recent.has(one), false)
  assert.equal(recent.take(one), undefined)
  assert.deepEqual(
    [1, 2, 3, 4].map(() => recent.take(shared)),
    [second, second, second, undefined],
  )
})

test('what was not asked for in 3 s is read from the database, where it may have been expunged since', () => {
  const { clock, recent } = aWorld()
  const id = newId()
  recent.remember(id, content())
  clock.now = 3000
  assert.equal(recent.take(id), undefined)
  clock.now = 0
  assert.equal(recent.take(id), undefined, 'it was forgotten')
})

test('when payloads are expunged all is forgotten, and its room is free', () => {
  const { recent } = aWorld()
  const ids = ['0000', '1000', '2000'].map(end => withEnd(1, end)) as [Uuid, Uuid, Uuid]
  for (const id of ids) recent.remember(id, content(4 * 1024 * 1024))
  recent.forgetAll()
  for (const id of ids) assert.equal(recent.take(id), undefined)
  for (const id of ids) recent.remember(id, content(4 * 1024 * 1024))
  assert.ok(recent.take(ids[1]))
})

test('two ids with the same end are remembered, and no third one until one of them was not asked for in 3 s', () => {
  const { recent, clock } = aWorld()
  const [first, second, third] = [1, 2, 3].map(n => withEnd(n, 'abcd')) as [Uuid, Uuid, Uuid]
  for (const id of [first, second, third]) recent.remember(id, content())
  assert.deepEqual([recent.take(third), recent.take(first)?.payload.length], [undefined, 10])
  recent.remember(first, content(11))
  clock.now = 2999
  recent.remember(third, content())
  assert.equal(recent.take(third), undefined)
  clock.now = 3000
  recent.remember(third, content())
  assert.equal(recent.take(third)?.payload.length, 10)
})

test('all that is remembered has at most 8 MiB', () => {
  const { recent } = aWorld()
  const ids = ['0000', '1000', '2000'].map(end => withEnd(1, end)) as [Uuid, Uuid, Uuid]
  const [first, second, third] = ids
  for (const id of ids) recent.remember(id, content(4 * 1024 * 1024))
  assert.equal(recent.take(third), undefined)
  assert.ok(recent.take(first))
  recent.remember(third, content(4 * 1024 * 1024))
  assert.ok(recent.take(second))
  assert.ok(recent.take(third))
})
