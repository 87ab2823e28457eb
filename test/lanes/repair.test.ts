import assert from 'node:assert/strict'
import { test } from 'node:test'
import { repair } from '../../src/lanes/repair.ts'
import { tryLockForTransaction } from '../../src/platform/advisory-lock.ts'
import { noon } from '../support/clock.ts'
import { testDatabase } from '../support/database.ts'
import { aLane, allOwed, laneOf, owe } from '../support/rows.ts'
import { eventually } from '../support/service.ts'

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
    await tryLockForTransaction(tx, 'repair')
    assert.equal(await repair(database), undefined)
  })
  assert.equal((await allOwed(database))[0]?.owner, 404)
})

test('lanes are locked in order of id, so that who frees rows and who adds some never wait for each other', async t => {
  const { database, close } = await testDatabase()
  t.after(close)
  for (const id of [3, 2, 1]) {
    await aLane(database, id, id === 2 ? 404 : null)
    await owe(database, { subscriptionIds: [id], owner: 404 })
  }
  let freeing: Promise<unknown> = Promise.resolve()
  await database.transaction(async tx => {
    const lock = (id: number) =>
      tx.query({
        text: 'select from lanes where subscription_id = $1 for no key update nowait',
        values: [id],
      })
    await lock(1)
    freeing = repair(database)
    await eventually(
      () => database.query({ text: "select from pg_stat_activity where wait_event_type = 'Lock'" }),
      ({ rowCount }) => rowCount > 0,
    )
    await lock(2)
    await lock(3)
  })
  await freeing
  for (const id of [1, 2, 3]) assert.equal((await laneOf(database, id))?.owner, null)
})
