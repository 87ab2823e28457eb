import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { recordFinalAttempts } from '../../src/log/store.ts'
import { audit } from '../../src/monitor/audit.ts'
import type { Uuid } from '../../src/platform/id.ts'
import { noon } from '../support/clock.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { emptyAll, newId, owe } from '../support/rows.ts'

let world: TestDatabase
before(async () => {
  world = await testDatabase()
})
beforeEach(() => emptyAll(world.database))
after(() => world.close())

/** Logs an attempt; a final one settles what is owed. */
function log(
  webhookId: Uuid,
  subscriptionId: number,
  verdict: 'delivered' | 'given_up' | 'retry',
): Promise<void> {
  const row = {
    id: newId(),
    subscriptionId,
    webhookId,
    timestamp: noon,
    attempt: verdict === 'retry' ? 9 : 1,
    verdict,
  }
  return recordFinalAttempts(world.database, [
    { ...row, status: 'failed', httpStatus: null, durationMs: null, nextAt: null, error: null },
  ])
}

test('an empty installation misses nothing', async () => {
  const nothing = { events: 0, deliveries: 0, final: 0, owed: 0, missing: 0, examples: [] }
  assert.deepEqual(await audit(world.database), nothing)
})

test('every delivery is owed or final', async () => {
  const { database } = world
  const [first, second] = [await owe(database, { subscriptionIds: [1, 2, 3] }), await owe(database)]
  await owe(database, { subscriptionIds: [] })
  await log(first, 1, 'delivered')
  await log(first, 2, 'given_up')
  await log(second, 1, 'retry')
  assert.deepEqual(await audit(database), {
    events: 2,
    deliveries: 4,
    final: 2,
    owed: 2,
    missing: 0,
    examples: [],
  })
})

test('a delivery that is neither owed nor final is found, and named', async () => {
  const { database } = world
  const lost = await owe(database, { subscriptionIds: [1, 2] })
  await owe(database)
  await log(lost, 2, 'retry')
  await database.query({
    text: 'delete from owed where webhook_id = $1 and subscription_id = 2',
    values: [lost],
  })
  const { deliveries, owed, final, missing, examples } = await audit(database)
  assert.deepEqual({ deliveries, owed, final, missing }, { deliveries: 3, owed: 2, final: 0, missing: 1 })
  assert.equal(examples.length, 1)
  assert.deepEqual([examples[0]?.webhookId, examples[0]?.subscriptionId], [lost, 2])
})

test('a replay is owed, not final, though its log has a final attempt', async () => {
  const { database } = world
  const webhookId = await owe(database)
  await log(webhookId, 1, 'given_up')
  await database.query({
    text: 'insert into owed (webhook_id, subscription_id, attempt, size_bytes, due_at) values ($1, 1, 6, 7, now())',
    values: [webhookId],
  })
  const { owed, final, missing } = await audit(database)
  assert.deepEqual({ owed, final, missing }, { owed: 1, final: 0, missing: 0 })
})

test('an event that was carried over is counted once, also while its partition is still there', async () => {
  const { database } = world
  const carried = await owe(database)
  const both = await owe(database, { subscriptionIds: [1, 2] })
  await log(both, 2, 'delivered')
  await database.query({ text: 'insert into events_carried select * from events' })
  await database.query({ text: "update events_carried set subscription_ids = '{1}'" })
  await database.query({ text: 'delete from events where webhook_id = $1', values: [carried] })
  const { events, deliveries, missing } = await audit(database)
  assert.deepEqual({ events, deliveries, missing }, { events: 2, deliveries: 3, missing: 0 })
  await database.query({ text: 'delete from owed' })
  assert.equal((await audit(database)).missing, 2)
})

test('ten examples are given, however many are missing', async () => {
  const { database } = world
  for (let n = 0; n < 15; n++) await owe(database)
  await database.query({ text: 'delete from owed' })
  const { missing, examples } = await audit(database)
  assert.equal(missing, 15)
  assert.equal(examples.length, 10)
})
