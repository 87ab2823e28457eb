import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { type FreedPage, freeHeld, giveBackHeld, repairLanes } from '../../src/lanes/recover-store.ts'
import { uuidLowerBound } from '../../src/platform/id.ts'
import { hourMs, noon } from '../support/clock.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { aLane, allOwed, emptyAll, laneOf, owe } from '../support/rows.ts'

let world: TestDatabase
before(async () => {
  world = await testDatabase()
})
beforeEach(() => emptyAll(world.database))
after(() => world.close())

const me = 7
const now = noon + hourMs

/** All pages of a walk, `limit` rows each. */
async function pages<Key>(
  first: Key,
  step: (after: Key) => Promise<FreedPage<Key>>,
): Promise<readonly number[]> {
  const freed: number[] = []
  let after = first
  for (;;) {
    const page = await step(after)
    if (page.last === undefined) return freed
    freed.push(page.freed)
    after = page.last
  }
}

const start = { webhookId: uuidLowerBound(0), subscriptionId: -1 }

test('all that a process held goes back to the lanes, due now, and a page at a time', async () => {
  const { database } = world
  for (const id of [1, 2]) await aLane(database, id)
  await aLane(database, 3, me)
  await aLane(database, 4, 8)
  for (let n = 0; n < 3; n++) await owe(database, { owner: me, subscriptionIds: [1, 5] })
  const others = await owe(database, { owner: 8, subscriptionIds: [2] })
  assert.deepEqual(await pages(start, after => freeHeld(database, me, after, 4, now)), [4, 2])
  assert.deepEqual(await pages(-1, after => giveBackHeld(database, me, after, 3, now)), [1, 0])
  const byOwner = Map.groupBy(await allOwed(database), row => row.owner)
  assert.equal(byOwner.get(null)?.length, 6)
  assert.ok(byOwner.get(null)?.every(row => row.dueAt === now))
  assert.deepEqual(
    byOwner.get(8)?.map(row => row.webhookId),
    [others],
  )
  for (const id of [1, 3]) assert.deepEqual(await laneOf(database, id), { owner: null, dueAt: now })
  assert.deepEqual(await laneOf(database, 2), { owner: null, dueAt: null })
  assert.deepEqual(await laneOf(database, 4), { owner: 8, dueAt: Number.POSITIVE_INFINITY })
})

test('a lane that is closed is not opened by what comes into it, nor by being given back', async () => {
  const { database } = world
  const opens = now + hourMs
  await aLane(database, 1)
  await aLane(database, 2, me)
  await owe(database, { owner: me })
  await database.query({ text: 'update lanes set open_until = $1', values: [new Date(opens)] })
  await freeHeld(database, me, start, 10, now)
  await giveBackHeld(database, me, -1, 10, now)
  for (const id of [1, 2]) assert.deepEqual(await laneOf(database, id), { owner: null, dueAt: opens })
})

test('a lane that is due sooner keeps its place', async () => {
  const { database } = world
  await aLane(database, 1)
  await database.query({ text: 'update lanes set due_at = $1', values: [new Date(noon)] })
  await owe(database, { owner: me })
  await freeHeld(database, me, start, 10, now)
  assert.deepEqual(await laneOf(database, 1), { owner: null, dueAt: noon })
})

test('lanes that do not know what they owe are put right, and no others', async () => {
  const { database } = world
  const lanes = { forgot: 1, late: 2, right: 3, leased: 4, missing: 5, early: 6, closed: 7 }
  for (const id of [1, 2, 3, 4, 6, 7]) await aLane(database, id, id === lanes.leased ? me : null)
  for (const id of Object.values(lanes)) {
    await owe(database, { subscriptionIds: [id], dueAt: noon })
    await owe(database, { subscriptionIds: [id], dueAt: noon + 5 })
    await owe(database, { subscriptionIds: [id], dueAt: noon - 100, owner: me })
  }
  const setDue = (id: number, dueAt: Date | null) =>
    database.query({ text: 'update lanes set due_at = $2 where subscription_id = $1', values: [id, dueAt] })
  const later = Date.now() + 60_000
  await setDue(lanes.forgot, null)
  await setDue(lanes.late, new Date(later))
  await setDue(lanes.early, new Date(noon - 9))
  await setDue(lanes.leased, null)
  await setDue(lanes.closed, new Date(later))
  await database.query({
    text: 'update lanes set open_until = $2 where subscription_id = $1',
    values: [lanes.closed, new Date(later)],
  })
  assert.deepEqual(await pages(-1, after => repairLanes(database, after, 4)), [2, 1])
  for (const id of [lanes.forgot, lanes.late, lanes.right, lanes.missing]) {
    assert.deepEqual(await laneOf(database, id), { owner: null, dueAt: noon })
  }
  assert.deepEqual(await laneOf(database, lanes.leased), { owner: me, dueAt: null })
  assert.deepEqual(await laneOf(database, lanes.early), { owner: null, dueAt: noon - 9 })
  assert.deepEqual(await laneOf(database, lanes.closed), { owner: null, dueAt: later })
  assert.deepEqual(await pages(-1, after => repairLanes(database, after, 10)), [0])
})
