import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { HandedRows } from '../../src/handover/handed-rows.ts'
import { databaseTime } from '../../src/platform/database-time.ts'
import type { Uuid } from '../../src/platform/id.ts'
import { uuidV7Source } from '../../src/platform/id.ts'
import { fakeClock, hourMs, noon } from '../support/clock.ts'
import { testDatabase } from '../support/database.ts'
import { aMember } from '../support/member.ts'
import { aLane, allOwed, idAt, laneOf, owe } from '../support/rows.ts'

const world = await testDatabase()
after(() => world.close())
const { database } = world
const me = 7
const commitMsMax = 10_000

async function aWorld({ start = noon, commitMs = commitMsMax } = {}) {
  await database.query({ text: 'truncate owed, lanes' })
  await aLane(database, 1)
  const clock = fakeClock(start)
  const newId = uuidV7Source(clock)
  const rows = new HandedRows(database, clock, aMember({ id: me }), commitMs)
  const handOver = async (owner = me): Promise<Uuid> => owe(database, { webhookId: newId(), owner })
  return { clock, rows, handOver }
}

const owners = async () => (await allOwed(database)).map(row => row.owner)

test('a row that no message has told of goes to its lane within seconds', async () => {
  const { clock, rows, handOver } = await aWorld()
  await handOver()
  assert.equal(await rows.look(), 0, 'its message may be on the way')
  clock.advance(3001)
  assert.equal(await rows.look(), 1)
  assert.deepEqual(await owners(), [null])
  assert.deepEqual(await laneOf(database, 1), { owner: null, dueAt: noon + 3001 })
})

test('a row whose commit took long is found by the late look', async () => {
  const { clock, rows, handOver } = await aWorld()
  const id = await handOver()
  await database.query({ text: 'truncate owed, events' })
  clock.advance(10_000)
  await rows.look()
  await owe(database, { webhookId: id, owner: me })
  await rows.look()
  assert.deepEqual(await owners(), [me])
  clock.advance(10_001)
  assert.equal(await rows.look(), 1)
})

test('where commits may take longer, the late look comes later', async () => {
  const { clock, rows, handOver } = await aWorld({ commitMs: 120_000 })
  const id = await handOver()
  await database.query({ text: 'truncate owed, events' })
  clock.advance(119_000)
  await rows.look()
  await owe(database, { webhookId: id, owner: me })
  clock.advance(10_000)
  assert.equal(await rows.look(), 0)
  clock.advance(1001)
  assert.equal(await rows.look(), 1)
})

test('a clock that was ahead until the database said the time makes no row be skipped', async () => {
  const { clock, rows, handOver } = await aWorld({ start: noon + hourMs })
  clock.steer(noon)
  await rows.look()
  await handOver()
  clock.advance(3001)
  assert.equal(await rows.look(), 1)
})

test('when time has gone back, looking begins again from there, and to look twice does no harm', async () => {
  const { clock, rows, handOver } = await aWorld()
  const held = await handOver()
  assert.ok(rows.accept({ webhookId: held, subscriptionId: 1 }))
  await handOver()
  clock.advance(30_000)
  assert.equal(await rows.look(), 1)
  await owe(database, { webhookId: idAt(noon - hourMs), owner: me })
  clock.set(noon - hourMs + 10_000)
  assert.equal(await rows.look(), 1)
  clock.set(noon + 3001)
  assert.equal(await rows.look(), 0)
  assert.deepEqual(await owners(), [null, me, null])
})

test("a row of a process that started after the database's clock was put back is found", async () => {
  const trueNow = await databaseTime(database)
  const { rows } = await aWorld({ start: trueNow + hourMs })
  await owe(database, { webhookId: idAt(trueNow - 4000), owner: me })
  assert.equal(await rows.look(), 1)
  assert.deepEqual(await owners(), [null])
})

test('what is here stays here, however long it takes', async () => {
  const { clock, rows, handOver } = await aWorld()
  const webhookId = await handOver()
  assert.ok(rows.accept({ webhookId, subscriptionId: 1 }))
  for (let i = 0; i < 20; i++) {
    clock.advance(2500)
    assert.equal(await rows.look(), 0)
  }
  assert.deepEqual(await owners(), [me])
})

test('a message that comes after its row was given up is not followed', async () => {
  const { clock, rows, handOver } = await aWorld()
  const webhookId = await handOver()
  clock.advance(3001)
  await rows.look()
  assert.equal(rows.accept({ webhookId, subscriptionId: 1 }), false)
})

test('a message that comes twice is followed once', async () => {
  const { rows, handOver } = await aWorld()
  const webhookId = await handOver()
  assert.equal(rows.accept({ webhookId, subscriptionId: 1 }), true)
  assert.equal(rows.accept({ webhookId, subscriptionId: 1 }), false)
})

test('what there is no room for goes to its lane, and is held no more', async () => {
  const { rows, handOver } = await aWorld()
  const keys = [await handOver(), await handOver()].map(webhookId => ({ webhookId, subscriptionId: 1 }))
  for (const key of keys) {
    rows.accept(key)
    rows.giveUp(key)
  }
  await rows.look()
  assert.deepEqual([await owners(), rows.held], [[null, null], 0])
})

test('rows of others are left alone', async () => {
  const { clock, rows, handOver } = await aWorld()
  await handOver(8)
  clock.advance(30_000)
  assert.equal(await rows.look(), 0)
  assert.deepEqual(await owners(), [8])
})

test('what could not be freed is freed by the next look', async () => {
  const { clock, handOver } = await aWorld()
  let away = false
  const connection = {
    query: (...[statement]: Parameters<typeof database.query>) =>
      away && statement.name === 'free_leased'
        ? Promise.reject(new Error('away'))
        : database.query(statement),
  } as typeof database
  const rows = new HandedRows(connection, clock, aMember({ id: me }), commitMsMax)
  await handOver()
  clock.advance(3001)
  away = true
  await assert.rejects(rows.look(), /away/)
  away = false
  assert.equal(await rows.look(), 1)
})
