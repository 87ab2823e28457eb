import assert from 'node:assert/strict'
import { after, beforeEach, test } from 'node:test'
import type { Delivery } from '../../src/model/delivery.ts'
import type { Uuid } from '../../src/platform/id.ts'
import type { Subscription } from '../../src/subscriptions/subscription.ts'
import { noon } from '../support/clock.ts'
import { testDatabase } from '../support/database.ts'
import { aMember } from '../support/member.ts'
import { anOwnMemory, commitMsMax } from '../support/own-memory.ts'
import { aLane, allOwed, emptyAll, newId, owe } from '../support/rows.ts'
import { aSubscription } from '../support/subscription.ts'

const world = await testDatabase()
beforeEach(() => emptyAll(world.database))
after(() => world.close())
const { database } = world
const me = 7
const to = aSubscription()

function aDelivery(webhookId: Uuid = newId(), subscription: Subscription = to): Delivery {
  return {
    webhookId,
    subscriptionId: subscription.id,
    attempt: 1,
    attemptsBefore: 0,
    since: noon,
    sizeBytes: 10,
    dueAt: noon,
    content: null,
    lane: null,
  }
}

const owners = async () => (await allOwed(database)).map(({ owner }) => owner)

test('what is offered is leased to this process, and sent once it is committed', () => {
  const { ownMemory, started, dispatcher } = anOwnMemory(database, aMember({ id: me }))
  assert.equal(ownMemory.offer(to, 10), me)
  assert.deepEqual([started.length, dispatcher.load.held], [0, 1])
  const delivery = aDelivery()
  ownMemory.commit(me, delivery)
  assert.deepEqual(started, [delivery])
})

test('what has no hot lane is not taken: paused, ordered, with a rate, throttled, or fewer attempts at a time than processes', () => {
  const { ownMemory, throttle, dispatcher } = anOwnMemory(
    database,
    aMember({ id: me, position: { count: 3, index: 0 } }),
  )
  throttle.pause(9, noon + 1000, 'retry_after')
  const without: readonly Partial<Subscription>[] = [
    { paused: true },
    { ordered: true },
    { rateLimit: { requests: 1, perSeconds: 1 } },
    { maxInFlight: 2 },
    { id: 9 },
  ]
  assert.deepEqual(
    without.map(changes => ownMemory.offer(aSubscription(changes), 10)),
    without.map(() => null),
  )
  assert.equal(dispatcher.load.held, 0)
  assert.equal(ownMemory.offer(aSubscription({ maxInFlight: 3 }), 10), me)
})

test('a process that may have been declared dead takes nothing', () => {
  const { ownMemory } = anOwnMemory(database, aMember({ id: me, isSure: false }))
  assert.equal(ownMemory.offer(to, 10), null)
})

test('what is not written frees its room, and what nobody took rings for its lane', () => {
  const { ownMemory, dispatcher, rung } = anOwnMemory(database, aMember({ id: me }))
  const row = { webhookId: newId(), subscriptionId: to.id, sizeBytes: 10 }
  ownMemory.abort({ ...row, owner: ownMemory.offer(to, 10) }, 'no')
  ownMemory.abort({ ...row, owner: null }, 'no')
  assert.deepEqual([dispatcher.load.held, rung], [0, []])
  ownMemory.commit(null, aDelivery())
  assert.deepEqual(rung, [noon])
})

test('what its lane takes at once needs no bell', () => {
  const membership = aMember({ id: me })
  const { ownMemory, rung, offeredToLane } = anOwnMemory(database, membership, { takeFresh: true })
  const delivery = aDelivery()
  ownMemory.commit(null, delivery)
  assert.deepEqual([offeredToLane, rung], [[delivery], []])
})

test('a row whose commit was not heard of goes to its lane, and what is held stays held', async () => {
  const { ownMemory, leasedRows, clock, dispatcher } = anOwnMemory(database, aMember({ id: me }))
  await aLane(database, to.id)
  const held = await owe(database, { owner: me })
  const unheard = await owe(database, { owner: me })
  ownMemory.offer(to, 10)
  ownMemory.commit(me, aDelivery(held))
  ownMemory.abort(
    { webhookId: unheard, subscriptionId: to.id, sizeBytes: 10, owner: ownMemory.offer(to, 10) },
    'unknown',
  )
  assert.equal(dispatcher.load.held, 1)
  clock.advance(commitMsMax + 2100) // ids of files before this one may be some milliseconds ahead
  assert.equal(await leasedRows.look(), 1)
  assert.deepEqual(await owners(), [me, null])
})

test('what was offered under an id that was declared dead meanwhile is not sent', () => {
  let id = me
  const membership = aMember({
    get id() {
      return id
    },
  })
  const { ownMemory, started, dispatcher } = anOwnMemory(database, membership)
  const owner = ownMemory.offer(to, 10)
  id = me + 1
  ownMemory.commit(owner, aDelivery())
  assert.deepEqual([started, dispatcher.load.held], [[], 0])
})
