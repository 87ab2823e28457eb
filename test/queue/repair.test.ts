import assert from 'node:assert/strict'
import { test } from 'node:test'
import { repair } from '../../src/queue/repair.ts'
import { tryRepairLock } from '../../src/queue/store.ts'
import { noon } from '../support/clock.ts'
import { testDatabase } from '../support/database.ts'
import { aLane, allOwed, laneOf, owe } from '../support/rows.ts'

test('what nobody holds and nobody knows of is found, and a second round finds nothing', async t => {
  const { database, close } = await testDatabase()
  t.after(close)
  for (const id of [1, 2]) await aLane(database, id)
  const orphan = await owe(database, { subscriptionIds: [1], owner: 404 })
  await owe(database, { subscriptionIds: [2], dueAt: noon })
  await database.query({ text: 'update lanes set due_at = null where subscription_id = 2' })
  const report = await repair(database)
  assert.equal(report?.orphans, 1)
  assert.ok(report.lanes > 0)
  const row = (await allOwed(database)).find(({ webhookId }) => webhookId === orphan)
  assert.equal(row?.owner, null)
  assert.deepEqual(await laneOf(database, 2), { owner: null, dueAt: noon })
  assert.deepEqual(await repair(database), { orphans: 0, lanes: 0 })
})

test('while another process repairs, nothing is done', async t => {
  const { database, close } = await testDatabase()
  t.after(close)
  await owe(database, { owner: 404 })
  await database.transaction(async tx => {
    await tryRepairLock(tx)
    assert.equal(await repair(database), undefined)
  })
  assert.equal((await allOwed(database))[0]?.owner, 404)
})
