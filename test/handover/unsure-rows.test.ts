import assert from 'node:assert/strict'
import { test } from 'node:test'
import { UnsureRows } from '../../src/handover/unsure-rows.ts'
import { fakeClock, noon } from '../support/clock.ts'
import { testDatabase } from '../support/database.ts'
import { aLane, allOwed, anEvent, laneOf, owe } from '../support/rows.ts'

test('a commit that happens late is found, until it can happen no more', async t => {
  const { database, close } = await testDatabase()
  t.after(close)
  await aLane(database, 1)
  const clock = fakeClock(noon)
  const unsure = new UnsureRows(clock)
  const { webhookId } = anEvent()
  unsure.add([{ webhookId, owner: 7 }])
  assert.equal(await unsure.release(database), 0)
  assert.equal(unsure.size, 1, 'its commit may still be under way')
  clock.advance(119_000)
  await owe(database, { webhookId, owner: 7 })
  assert.equal(await unsure.release(database), 1)
  assert.deepEqual(await allOwed(database), [
    { webhookId, subscriptionId: 1, attempt: 1, owner: null, dueAt: noon + 119_000 },
  ])
  assert.deepEqual(await laneOf(database, 1), { owner: null, dueAt: noon + 119_000 })
  clock.advance(1001)
  await unsure.release(database)
  assert.equal(unsure.size, 0)
})

test('rows are looked for under the id of the process that was to hold them', async t => {
  const { database, close } = await testDatabase()
  t.after(close)
  const unsure = new UnsureRows(fakeClock())
  unsure.add([
    { webhookId: await owe(database, { owner: 7 }), owner: 7 },
    { webhookId: await owe(database, { owner: 8 }), owner: 8 },
    { webhookId: await owe(database, { owner: 9 }), owner: 7 },
  ])
  assert.equal(await unsure.release(database), 2)
})

test('what went to its lane is there already', () => {
  const unsure = new UnsureRows(fakeClock())
  unsure.add([{ webhookId: anEvent().webhookId, owner: null }])
  assert.equal(unsure.size, 0)
})

test('what could not be looked for is looked for again', async t => {
  const { database, close } = await testDatabase()
  t.after(close)
  const clock = fakeClock()
  const unsure = new UnsureRows(clock)
  unsure.add([{ webhookId: await owe(database, { owner: 7 }), owner: 7 }])
  clock.advance(500_000)
  const away = { query: () => Promise.reject(new Error('away')) }
  await assert.rejects(unsure.release(away), /away/)
  assert.equal(unsure.size, 1)
  assert.equal(await unsure.release(database), 1)
})
