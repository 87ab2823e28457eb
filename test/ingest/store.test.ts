import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { insertEvents } from '../../src/ingest/store.ts'
import { noon } from '../support/clock.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { aLane, allOwed, anEvent, countEvents, emptyAll, laneOf, owe, owedFor } from '../support/rows.ts'

let world: TestDatabase
before(async () => {
  world = await testDatabase()
})
beforeEach(() => emptyAll(world.database))
after(() => world.close())

test('events and all they owe are stored in one statement, byte for byte', async () => {
  const { database } = world
  const odd = anEvent({
    eventType: null,
    contentType: 'text/plain; charset=latin1',
    payload: Buffer.from([0, 255, 10, 39, 92]),
    subscriptionIds: [1, 2, 30],
  })
  const empty = anEvent({ tenant: 'system', payload: Buffer.alloc(0), subscriptionIds: [] })
  await insertEvents(database, [odd, empty], owedFor(odd, 7), noon)
  const { rows } = await database.query({ text: 'select * from events order by webhook_id' })
  assert.deepEqual(
    rows.map(row => [
      row.webhook_id,
      row.tenant,
      row.event_type,
      row.content_type,
      row.payload,
      row.subscription_ids,
    ]),
    [
      [odd.webhookId, 'default', null, odd.contentType, odd.payload, [1, 2, 30]],
      [empty.webhookId, 'system', 'order.created', 'application/json', empty.payload, []],
    ],
  )
  assert.deepEqual(
    await allOwed(database),
    [1, 2, 30].map(subscriptionId => ({
      webhookId: odd.webhookId,
      subscriptionId,
      attempt: 1,
      owner: 7,
      dueAt: noon,
    })),
  )
})

test('when one event cannot be stored, none is, and nothing is owed', async () => {
  const { database } = world
  const good = anEvent()
  const bad = anEvent({ contentType: 'a\u0000b' })
  await assert.rejects(insertEvents(database, [good, bad], [...owedFor(good, 7), ...owedFor(bad, 7)], noon))
  assert.equal(await countEvents(database), 0)
  assert.deepEqual(await allOwed(database), [])
})

test('a row that is held in memory leaves its lane alone', async () => {
  await aLane(world.database, 1)
  await owe(world.database, { owner: 7 })
  assert.deepEqual(await laneOf(world.database, 1), { owner: null, dueAt: null })
})

test('a row that waits makes its lane due, also while the lane is leased', async () => {
  const { database } = world
  await aLane(database, 1)
  await aLane(database, 2, 9)
  await owe(database, { subscriptionIds: [1, 2], dueAt: noon })
  assert.deepEqual(await laneOf(database, 1), { owner: null, dueAt: noon })
  assert.deepEqual(await laneOf(database, 2), { owner: 9, dueAt: noon })
})

test('each row that waits has a due time of its own, and none that is over', async () => {
  const { database } = world
  for (const id of [1, 2, 3]) await aLane(database, id)
  const event = anEvent({ subscriptionIds: [1, 2, 3, 4] })
  const dueAts = [noon + 5000, undefined, noon - 5000]
  const owed = owedFor(event, null).map((row, index) => {
    const dueAt = dueAts[index]
    return index === 3 ? { ...row, owner: 7 } : { ...row, ...(dueAt !== undefined && { dueAt }) }
  })
  await insertEvents(database, [event], owed, noon)
  assert.deepEqual(
    (await allOwed(database)).map(({ subscriptionId, owner, dueAt }) => [subscriptionId, owner, dueAt]),
    [
      [1, null, noon + 5000],
      [2, null, noon],
      [3, null, noon],
      [4, 7, noon],
    ],
  )
  const lanes = await Promise.all([1, 2, 3].map(id => laneOf(database, id)))
  assert.deepEqual(
    lanes.map(lane => lane?.dueAt),
    [noon + 5000, noon, noon],
  )
})

test('of several rows for one lane the soonest says when it is due', async () => {
  const { database } = world
  await aLane(database, 1)
  const events = [noon + 9000, noon + 4000, noon + 6000].map(dueAt => ({ event: anEvent(), dueAt }))
  const owed = events.flatMap(({ event, dueAt }) => owedFor(event, null).map(row => ({ ...row, dueAt })))
  await insertEvents(
    database,
    events.map(({ event }) => event),
    owed,
    noon,
  )
  assert.deepEqual(await laneOf(database, 1), { owner: null, dueAt: noon + 4000 })
})

test('a row that a process holds in memory has no due time of its own', async () => {
  const event = anEvent()
  const owed = owedFor(event, 7).map(row => ({ ...row, dueAt: noon + 5000 }))
  await assert.rejects(insertEvents(world.database, [event], owed, noon), /due at once/)
})

test('a lane is lowered only: one that is due earlier stays as it is', async () => {
  const { database } = world
  await aLane(database, 1)
  await owe(database, { dueAt: noon })
  const before = await database.query({ text: 'select xmin::text, ctid::text from lanes' })
  await owe(database, { dueAt: noon + 1000 })
  assert.deepEqual(await laneOf(database, 1), { owner: null, dueAt: noon })
  const { rows } = await database.query({ text: 'select xmin::text, ctid::text from lanes' })
  assert.deepEqual(rows, before.rows, 'not even written')
  await owe(database, { dueAt: noon - 1000 })
  assert.deepEqual(await laneOf(database, 1), { owner: null, dueAt: noon - 1000 })
})

test('writers with the same lanes in different order do not wait for each other in a circle', async () => {
  const { database } = world
  for (let id = 1; id <= 20; id++) await aLane(database, id)
  const ids = Array.from({ length: 20 }, (_, index) => index + 1)
  const rounds = Array.from({ length: 40 }, (_, round) => {
    const subscriptionIds = round % 2 === 0 ? ids : ids.toReversed()
    return owe(database, { subscriptionIds, dueAt: noon - round })
  })
  await Promise.all(rounds)
  assert.deepEqual(await laneOf(database, 7), { owner: null, dueAt: noon - 39 })
})
