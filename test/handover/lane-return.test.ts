import assert from 'node:assert/strict'
import { after, beforeEach, type TestContext, test } from 'node:test'
import { LaneReturn } from '../../src/handover/lane-return.ts'
import type { Queryable } from '../../src/platform/postgres.ts'
import { fakeClock, hourMs, noon } from '../support/clock.ts'
import { testDatabase } from '../support/database.ts'
import { GatedDatabase, hold } from '../support/gated-database.ts'
import { aLane, allOwed, emptyAll, laneOf, newId, owe } from '../support/rows.ts'
import { eventually } from '../support/service.ts'

const world = await testDatabase()
beforeEach(() => emptyAll(world.database))
after(() => world.close())
const { database } = world

function aLaneReturn(t: TestContext, connection: Queryable = database) {
  let returned = 0
  const laneReturn = new LaneReturn({ connection, clock: fakeClock(noon), returned: () => returned++ })
  t.after(() => laneReturn.close())
  return { laneReturn, returned: () => returned }
}

const owners = async () => (await allOwed(database)).map(({ owner }) => owner)

const allWithout = (expected: readonly (number | null)[]) =>
  eventually(owners, found => JSON.stringify(found) === JSON.stringify(expected))

test('rows go to their lanes by owner and key, what comes together in one statement, and others stay', async t => {
  for (const id of [1, 2]) await aLane(database, id)
  const gate = new GatedDatabase(database)
  const { laneReturn, returned } = aLaneReturn(t, gate)
  const both = await owe(database, { owner: 7, subscriptionIds: [1, 2] })
  const one = await owe(database, { owner: 7 })
  await owe(database, { owner: 7 })
  const others = await owe(database, { owner: 8 })
  for (const webhookId of [both, one, others]) laneReturn.add(7, { webhookId, subscriptionId: 1 })
  await allWithout([null, 7, null, 7, 8])
  assert.equal(gate.statements, 1)
  assert.deepEqual(
    [await laneOf(database, 1), (await laneOf(database, 2))?.dueAt],
    [{ owner: null, dueAt: noon }, null],
  )
  await eventually(
    async () => returned(),
    count => count === 1,
  )
})

test('a lane that is closed, or due sooner, keeps its time', async t => {
  for (const id of [1, 2]) await aLane(database, id)
  await database.query({
    text: 'update lanes set open_until = $1, due_at = $1 where subscription_id = 1',
    values: [new Date(noon + hourMs)],
  })
  await database.query({
    text: 'update lanes set due_at = $1 where subscription_id = 2',
    values: [new Date(noon - hourMs)],
  })
  const { laneReturn } = aLaneReturn(t)
  const webhookId = await owe(database, { owner: 7, subscriptionIds: [1, 2] })
  for (const subscriptionId of [1, 2]) laneReturn.add(7, { webhookId, subscriptionId })
  await allWithout([null, null])
  assert.deepEqual(
    [(await laneOf(database, 1))?.dueAt, (await laneOf(database, 2))?.dueAt],
    [noon + hourMs, noon - hourMs],
  )
})

test('while the database is away rows wait, and go to their lanes afterwards', async t => {
  const gate = new GatedDatabase(database)
  gate.isAway = true
  const { laneReturn } = aLaneReturn(t, gate)
  const webhookId = await owe(database, { owner: 7 })
  laneReturn.add(7, { webhookId, subscriptionId: 1 })
  await eventually(
    async () => gate.statements,
    count => count > 0,
  )
  gate.isAway = false
  await allWithout([null])
  assert.equal(laneReturn.waiting, 0)
})

test('at most 10,000 rows wait, in statements of 500', async t => {
  const gate = new GatedDatabase(database)
  const open = hold(gate)
  const { laneReturn } = aLaneReturn(t, gate)
  for (let n = 0; n < 10_001; n++) laneReturn.add(7, { webhookId: newId(), subscriptionId: 1 })
  assert.equal(laneReturn.waiting, 10_000)
  open()
  await eventually(
    async () => laneReturn.waiting,
    waiting => waiting === 0,
  )
  assert.equal(gate.statements, 20)
})

test('what waits when it is closed goes to its lane before', async () => {
  const { laneReturn } = {
    laneReturn: new LaneReturn({ connection: database, clock: fakeClock(noon), returned: () => {} }),
  }
  const webhookId = await owe(database, { owner: 7 })
  laneReturn.add(7, { webhookId, subscriptionId: 1 })
  await laneReturn.close()
  assert.deepEqual(await owners(), [null])
})
