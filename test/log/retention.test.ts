import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { ensurePartitions, partitionedTables } from '../../src/log/partitions.ts'
import { runRetention } from '../../src/log/retention.ts'
import { recordFinalAttempts } from '../../src/log/store.ts'
import { audit } from '../../src/monitor/audit.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import type { Database } from '../../src/platform/postgres.ts'
import { readContents } from '../../src/queue/store.ts'
import { defaultRetryPolicy } from '../../src/retry/schedule.ts'
import type { Subscription } from '../../src/subscriptions/subscription.ts'
import { fakeClock, hourMs, noon } from '../support/clock.ts'
import { testDatabase } from '../support/database.ts'
import { aLane, allAttempts, allOwed, countEvents, idAt, owe } from '../support/rows.ts'
import { aSubscription } from '../support/subscription.ts'

/** A database with partitions for an hour that was so many hours before noon, and for the present. */
async function aWorld(t: TestContext, subscriptions: readonly Subscription[] = [aSubscription()]) {
  const { database, close } = await testDatabase({ partitions: false })
  t.after(close)
  // What is ended in the log is dated by the database, whose present is not noon.
  for (const time of [noon - 73 * hourMs, noon, Date.now()]) await ensurePartitions(database, time, 72)
  const clock = fakeClock(noon)
  const run = () =>
    runRetention({
      database,
      clock,
      logger: silentLogger(),
      retentionHours: 72,
      subscription: id => subscriptions.find(subscription => subscription.id === id),
    })
  /** An event of so many hours ago that was delivered at once. */
  const deliver = async (hoursAgo: number) => {
    const ms = noon - hoursAgo * hourMs
    const webhookId = await owe(database, { webhookId: idAt(ms) })
    await recordFinalAttempts(database, [
      {
        id: idAt(ms),
        subscriptionId: 1,
        webhookId,
        timestamp: ms,
        attempt: 1,
        status: 'success',
        verdict: 'delivered',
        httpStatus: 200,
        durationMs: 1,
        nextAt: null,
        error: null,
      },
    ])
    return webhookId
  }
  return { database, clock, run, deliver }
}

const patient = aSubscription({ retry: { ...defaultRetryPolicy, maxAgeSeconds: 100 * 3600 } })

test('what is 73 hours old goes, with its log, and what is 71 hours old stays', async t => {
  const { database, run, deliver } = await aWorld(t)
  await deliver(73.5)
  const young = await deliver(71)
  const report = await run()
  const hours = ['2026022610', '2026022611']
  const expected = partitionedTables.flatMap(table => hours.map(hour => `${table}_${hour}`))
  assert.deepEqual(report.partitionsDropped.toSorted(), expected.toSorted())
  assert.equal(await countEvents(database), 1)
  assert.deepEqual(
    (await allAttempts(database)).map(row => row.webhookId),
    [young],
  )
  assert.equal((await audit(database)).missing, 0)
})

test('a second round has nothing to do', async t => {
  const { run, deliver } = await aWorld(t)
  await deliver(73.5)
  await run()
  assert.deepEqual(await run(), {
    partitionsMade: 0,
    partitionsDropped: [],
    expired: 0,
    carried: 0,
    tombstonesRemoved: 0,
  })
})

test('what is still wanted outlives its partition, readable to the last byte, until it is settled', async t => {
  const { database, run } = await aWorld(t, [patient])
  const payload = Buffer.from([0, 200, 13, 10])
  const webhookId = await owe(database, {
    webhookId: idAt(noon - 73.5 * hourMs),
    payload,
    subscriptionIds: [1],
  })
  const { expired, carried } = await run()
  assert.deepEqual({ expired, carried }, { expired: 0, carried: 1 })
  assert.equal(await countEvents(database), 0)
  assert.deepEqual((await readContents(database, [webhookId])).get(webhookId)?.payload, payload)
  assert.deepEqual(
    (await allOwed(database)).map(row => row.webhookId),
    [webhookId],
  )
  assert.deepEqual((await run()).carried, 0)

  await database.query({ text: 'delete from owed' })
  await run()
  assert.equal((await readContents(database, [webhookId])).size, 0)
})

test('only what is still owed of a fan-out is carried over, so that nothing seems to be missing', async t => {
  const { database, run } = await aWorld(t, [patient, { ...patient, id: 2 }])
  const webhookId = await owe(database, { webhookId: idAt(noon - 73.5 * hourMs), subscriptionIds: [1, 2] })
  await database.query({ text: 'delete from owed where subscription_id = 2' })
  await run()
  const { rows } = await database.query({ text: 'select webhook_id, subscription_ids from events_carried' })
  assert.deepEqual(rows, [{ webhook_id: webhookId, subscription_ids: [1] }])
  const { deliveries, owed, missing } = await audit(database)
  assert.deepEqual({ deliveries, owed, missing }, { deliveries: 1, owed: 1, missing: 0 })
})

test('what is past its policy ends in the log as expired', async t => {
  const { database, run } = await aWorld(t, [aSubscription()])
  const webhookId = await owe(database, { webhookId: idAt(noon - 73.5 * hourMs) })
  const young = await owe(database, { webhookId: idAt(noon - 71 * hourMs) })
  await database.query({ text: 'update owed set attempt = 3' })
  assert.equal((await run()).expired, 1)
  assert.deepEqual(await allAttempts(database), [
    {
      webhookId,
      subscriptionId: 1,
      attempt: 3,
      status: 'failed',
      verdict: 'expired',
      error: 'too old: its time limit has passed',
    },
  ])
  assert.deepEqual(
    (await allOwed(database)).map(row => row.webhookId),
    [young],
  )
})

test('a replay counts from the moment it was asked for', async t => {
  const { database, run } = await aWorld(t, [aSubscription()])
  await owe(database, { webhookId: idAt(noon - 73.5 * hourMs) })
  await database.query({
    text: 'update owed set replay_from = 2, replayed_at = $1',
    values: [new Date(noon - hourMs)],
  })
  const { expired, carried } = await run()
  assert.deepEqual({ expired, carried }, { expired: 0, carried: 1 })
})

test('what is owed to a subscription that is gone expires with its partition', async t => {
  const { database, run } = await aWorld(t, [patient])
  await owe(database, { webhookId: idAt(noon - 73.5 * hourMs), subscriptionIds: [1, 404] })
  const { expired, carried } = await run()
  assert.deepEqual({ expired, carried }, { expired: 1, carried: 1 })
  assert.deepEqual(
    (await allAttempts(database)).map(row => [row.subscriptionId, row.verdict]),
    [[404, 'expired']],
  )
})

test('details go before the log where they are kept for less', async t => {
  const { database, close } = await testDatabase({ partitions: false })
  t.after(close)
  const deps = { database, clock: fakeClock(noon), logger: silentLogger(), subscription: () => undefined }
  await ensurePartitions(database, noon - 4 * hourMs, 72, 2)
  await ensurePartitions(database, noon, 72, 2)
  const { partitionsDropped } = await runRetention({ ...deps, retentionHours: 72, detailsHours: 2 })
  assert.deepEqual(partitionsDropped.toSorted(), [
    'attempt_details_2026030107',
    'attempt_details_2026030108',
    'attempt_details_2026030109',
  ])
})

test('partitions of details are as long as their own retention asks for', async t => {
  const { database, close } = await testDatabase({ partitions: false })
  t.after(close)
  await ensurePartitions(database, noon, 8760, 24)
  const { rows } = await database.query<{ n: number }>({
    text: "select count(*)::int as n from pg_inherits where inhparent = 'attempt_details'::regclass",
  })
  assert.equal(rows[0]?.n, 8)
})

/** Leaves tombstones, as deletions so many hours ago would have. */
async function leaveTombstones(database: Database, ids: readonly number[], hoursAgo: number): Promise<void> {
  await database.query({
    text: `insert into subscription_tombstones (id, tenant, target_url, deleted_at)
           select id, 'default', 'https://example.com', $2 from unnest($1::int[]) as t (id)`,
    values: [ids, new Date(noon - hoursAgo * hourMs)],
  })
}

async function tombstones(database: Database): Promise<readonly number[]> {
  const { rows } = await database.query<{ id: number }>({
    text: 'select id from subscription_tombstones order by id',
  })
  return rows.map(({ id }) => id)
}

test('a tombstone goes when the log of its time has gone, nothing is owed to it and no row of the log names it', async t => {
  const { database, run, deliver } = await aWorld(t)
  await leaveTombstones(database, [1, 2, 3], 73.5)
  await leaveTombstones(database, [4], 71)
  await deliver(71) // to 1, as when its lane was drained long after its deletion
  await aLane(database, 2)
  const { tombstonesRemoved } = await run()
  assert.equal(tombstonesRemoved, 1)
  assert.deepEqual(await tombstones(database), [1, 2, 4])
  const many = Array.from({ length: 1000 }, (_, index) => index + 5)
  await leaveTombstones(database, many, 73.5)
  assert.equal((await run()).tombstonesRemoved, 1000, 'more than are looked at in one statement')
})
