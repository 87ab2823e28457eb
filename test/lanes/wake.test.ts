import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { freeLeased } from '../../src/handover/store.ts'
import { insertEvents } from '../../src/ingest/store.ts'
import { wakeOwing } from '../../src/lanes/store.ts'
import { recordAttempts } from '../../src/log/store.ts'
import { noon } from '../support/clock.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { aLane, allOwed, anEvent, emptyAll, laneOf, owe, owedFor } from '../support/rows.ts'

let world: TestDatabase
before(async () => {
  world = await testDatabase()
})
beforeEach(() => emptyAll(world.database))
after(() => world.close())

const me = 7
const later = noon + 60_000

/** Each way in which rows come into lanes: brings in one row of subscription 1, due at a time. */
const ways: Readonly<Record<string, (dueAt: number) => Promise<unknown>>> = {
  'an event accepted for its lane': async dueAt => {
    const event = anEvent()
    await insertEvents(world.database, [event], owedFor(event, null), dueAt)
  },
  'a published event': async dueAt => {
    const event = { ...anEvent(), published: { channels: [], eventId: null, deliverAt: null } }
    await insertEvents(world.database, [event], owedFor(event, null), dueAt)
  },
  'an event scheduled for later': async dueAt => {
    const event = anEvent()
    const owed = owedFor(event, null).map(row => ({ ...row, dueAt }))
    await insertEvents(world.database, [event], owed, dueAt - 3_600_000)
  },
  'a retry of a row that was held in memory': async dueAt => {
    const webhookId = await owe(world.database, { owner: me })
    const again = { webhookId, subscriptionId: 1, attempt: 1, nextAttempt: 2, dueAt }
    await recordAttempts(world.database, me, [], [again])
  },
  'a row that was handed over and not heard of': async dueAt => {
    const webhookId = await owe(world.database, { owner: me })
    assert.equal(await freeLeased(world.database, me, [{ webhookId, subscriptionId: 1 }], dueAt), 1)
  },
  'a row that is found waiting': async dueAt => {
    await world.database.query({
      text: 'insert into owed (webhook_id, subscription_id, size_bytes, due_at) values (gen_random_uuid(), 1, 1, $1)',
      values: [new Date(dueAt)],
    })
    await wakeOwing(world.database, [1])
  },
}

/** Says what a lane is, beside being free and owing nothing. */
async function set(values: { readonly dueAt?: number; readonly openUntil?: number }): Promise<void> {
  const { dueAt, openUntil } = values
  await world.database.query({
    text: 'update lanes set due_at = coalesce($1, due_at), open_until = coalesce($2, open_until)',
    values: [
      dueAt === undefined ? null : new Date(dueAt),
      openUntil === undefined ? null : new Date(openUntil),
    ],
  })
}

/** The version of the lane's row: another one after each write. */
async function versionOf(): Promise<unknown> {
  const { rows } = await world.database.query({
    text: 'select xmin::text, xmax::text, ctid::text from lanes',
  })
  return rows
}

for (const [way, enter] of Object.entries(ways)) {
  test(`${way} makes its lane due at the row's time`, async () => {
    await aLane(world.database, 1)
    await enter(noon)
    assert.deepEqual(await laneOf(world.database, 1), { owner: null, dueAt: noon })
    assert.deepEqual(
      (await allOwed(world.database)).map(({ owner, dueAt }) => ({ owner, dueAt })),
      [{ owner: null, dueAt: noon }],
    )
  })

  test(`${way} makes a closed lane due when it opens`, async () => {
    await aLane(world.database, 1)
    await set({ openUntil: later })
    await enter(noon)
    assert.deepEqual(await laneOf(world.database, 1), { owner: null, dueAt: later })
    const before = await versionOf()
    await enter(noon)
    assert.deepEqual(await versionOf(), before, 'the second one finds it so, and neither writes nor locks it')
  })

  test(`${way} leaves a lane alone that is due sooner`, async () => {
    await aLane(world.database, 1)
    await set({ dueAt: noon - 1 })
    const before = await versionOf()
    await enter(noon)
    assert.deepEqual(await laneOf(world.database, 1), { owner: null, dueAt: noon - 1 })
    assert.deepEqual(await versionOf(), before, 'neither written nor locked')
  })
}

for (const way of [
  'a retry of a row that was held in memory',
  'a row that was handed over and not heard of',
  'a row that is found waiting',
]) {
  test(`${way} makes a lane where there is none any more, due at once`, async () => {
    await ways[way]?.(later + 86_400_000)
    const lane = await laneOf(world.database, 1)
    assert.ok(lane?.owner === null && lane.dueAt !== null && lane.dueAt <= Date.now() + 60_000)
  })
}

test('a row that is found waiting does not move a lane forward that is due already', async () => {
  await aLane(world.database, 1)
  await set({ dueAt: noon + 1 })
  await ways['a row that is found waiting']?.(noon)
  assert.deepEqual(await laneOf(world.database, 1), { owner: null, dueAt: noon + 1 })
})

test('rows that come into a leased lane lower its time, to the soonest of them', async () => {
  await aLane(world.database, 1, 9)
  const event = anEvent()
  await insertEvents(world.database, [event], owedFor(event, null), noon + 5)
  await ways['a row whose commit was not heard of']?.(noon + 9)
  assert.deepEqual(await laneOf(world.database, 1), { owner: 9, dueAt: noon + 5 })
})
