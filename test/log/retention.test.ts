import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { readContents } from '../../src/deliver/store.ts'
import { pathTables } from '../../src/log/partition-store.ts'
import { ensureAuditPartitions, ensurePartitions } from '../../src/log/partitions.ts'
import { type RetentionDeps, runRetention } from '../../src/log/retention.ts'
import { recordFinalAttempts } from '../../src/log/store.ts'
import { defaultRetryPolicy } from '../../src/model/retry-policy.ts'
import { audit } from '../../src/monitor/audit.ts'
import { tryLockForSession } from '../../src/platform/advisory-lock.ts'
import { besideThePath } from '../../src/platform/batches.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import { Database } from '../../src/platform/postgres.ts'
import type { Subscription } from '../../src/subscriptions/subscription.ts'
import { fakeClock, hourMs, noon } from '../support/clock.ts'
import { type Preparation, type TestConnection, testDatabase } from '../support/database.ts'
import { hourOf, hoursBetween, makePartitions } from '../support/partitions.ts'
import { aLane, allAttempts, allOwed, countEvents, idAt, owe } from '../support/rows.ts'
import { aSubscription } from '../support/subscription.ts'

const partitions: Preparation = {
  name: 'retention',
  async make(database) {
    await makePartitions(database, [
      ...hoursBetween(noon - 74 * hourMs, noon - 71 * hourMs),
      ...hoursBetween(noon - hourMs, noon + 6 * hourMs),
      // What is ended in the log is dated by the database, whose present is not noon.
      [hourOf(Date.now()), hourOf(Date.now()) + 2 * hourMs],
    ])
    await ensurePartitions(database, noon, 72)
    await ensureAuditPartitions(database, noon, 365)
  },
}

/** A database with partitions for some hours that are just over for the retention, for noon and for the present. */
async function aWorld(t: TestContext, subscriptions: readonly Subscription[] = [aSubscription()]) {
  const { database, connection, close } = await testDatabase({ partitions })
  t.after(close)
  const clock = fakeClock(noon)
  const deps = { database, clock, logger: silentLogger(), retentionHours: 72, auditDays: 365 }
  const known = knowing(subscriptions)
  const run = async (changes: Partial<RetentionDeps> = {}, signal?: AbortSignal) => {
    const report = await runRetention({ ...deps, subscriptions: known, ...changes }, signal)
    if (!report) throw new Error('another process is at it')
    return report
  }
  /** An event of this many hours ago that was delivered at once. */
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
  return {
    database,
    deps: { ...deps, subscriptions: known },
    run,
    deliver,
    hurried: () => hurried(t, connection),
  }
}

/** The same database for one who waits half a second at the most. */
function hurried(t: TestContext, connection: TestConnection): Database {
  const database = new Database({ connection, poolSize: 2, queryTimeoutMs: 500, connectTimeoutMs: 5000 })
  t.after(() => database.close())
  return database
}

/** These subscriptions exist, and can be read. */
function knowing(subscriptions: readonly Subscription[]): RetentionDeps['subscriptions'] {
  const ids = new Set(subscriptions.map(({ id }) => id))
  return {
    get: id => subscriptions.find(subscription => subscription.id === id),
    whichExist: async asked => new Set(asked.filter(id => ids.has(id))),
  }
}

const nothing = {
  ...{ partitionsMade: 0, partitionsDropped: [], expired: 0, cancelled: 0, carried: 0, unread: 0 },
  removed: { events: 0, log: 0, details: 0, audit: 0 },
  isDone: true,
}

const patient = aSubscription({ retry: { ...defaultRetryPolicy, maxAgeSeconds: 100 * 3600 } })

test('what is 73 hours old goes, with its log, and what is 71 hours old stays', async t => {
  const { database, run, deliver } = await aWorld(t)
  await deliver(73.5)
  const young = await deliver(71)
  const report = await run()
  const hours = ['2026022610', '2026022611']
  const hourly = pathTables.filter(table => table !== 'taken_names')
  const expected = hourly.flatMap(table => hours.map(hour => `${table}_${hour}`))
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
  assert.deepEqual(await run(), nothing)
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

test('what is owed to a subscription that was deleted is cancelled with its partition', async t => {
  const { database, run } = await aWorld(t, [patient])
  await owe(database, { webhookId: idAt(noon - 73.5 * hourMs), subscriptionIds: [1, 404] })
  const { expired, cancelled, carried } = await run()
  assert.deepEqual({ expired, cancelled, carried }, { expired: 0, cancelled: 1, carried: 1 })
  assert.deepEqual(
    (await allAttempts(database)).map(row => [row.subscriptionId, row.verdict, row.error]),
    [[404, 'cancelled', 'the subscription was deleted']],
  )
})

test('what is owed to a subscription that exists but cannot be read is kept, and its event with it', async t => {
  const { database, run } = await aWorld(t)
  const webhookId = await owe(database, { webhookId: idAt(noon - 73.5 * hourMs) })
  const unreadable = { get: () => undefined, whichExist: async () => new Set([1]) }
  const report = await run({ subscriptions: unreadable })
  assert.deepEqual([report.unread, report.expired, report.cancelled, report.carried], [1, 0, 0, 1])
  assert.deepEqual(
    (await allOwed(database)).map(row => row.webhookId),
    [webhookId],
  )
  assert.deepEqual(await allAttempts(database), [])
  assert.equal((await readContents(database, [webhookId])).size, 1)
  assert.equal((await run()).expired, 1, 'it ends once its policy is known')
})

test('one process at a time does it, the others leave it to that one', async t => {
  const { database, deps, deliver } = await aWorld(t)
  await deliver(73.5)
  await besideThePath(database, 'another process', async session => {
    assert.ok(await tryLockForSession(session, 'retention'))
    assert.equal(await runRetention(deps), undefined)
    assert.equal(await countEvents(database), 1)
  })
  assert.equal((await runRetention(deps))?.partitionsDropped.length, 6)
})

/** Events of two hours that are over, owed to one who still wants them and to one who does not; more than one batch holds. */
async function aBacklog(database: Database) {
  const { rows } = await database.query<{ n: number }>({
    text: `
      with e as (
        insert into events (webhook_id, tenant, content_type, payload, subscription_ids)
        select (lpad(to_hex($1::bigint + n * 2500), 12, '0') || '7000' || substr(md5(n::text), 1, 16))::uuid,
               'default', 'text/plain', 'x', '{1,2}'
        from generate_series(1, 1500) n returning webhook_id, subscription_ids),
      o as (
        insert into owed (webhook_id, subscription_id, size_bytes, due_at)
        select webhook_id, unnest(subscription_ids), 1, now() from e returning 1)
      select count(*)::int as n from o`,
    values: [noon - 74 * hourMs + 600_000],
  })
  return rows[0]?.n ?? 0
}

for (const cut of ['told to stop', 'its connection breaks'] as const) {
  test(`cut off between any two batches (${cut}) it loses nothing, and the next round goes on`, async t => {
    const { database, run } = await aWorld(t, [aSubscription(), { ...patient, id: 2 }])
    assert.equal(await aBacklog(database), 3000)
    const subscriptions = knowing([aSubscription(), { ...patient, id: 2 }])
    let [expired, carried, rounds, isDone] = [0, 0, 0, false]
    while (!isDone) {
      const stopping = new AbortController()
      let batches = 0
      const get = (id: number) => {
        if (id === 1 && ++batches > rounds) {
          if (cut === 'told to stop') stopping.abort()
          else
            void database.query({
              text: `select pg_terminate_backend(pid) from pg_stat_activity
                     where application_name like '% retention' and datname = current_database()`,
            })
        }
        return subscriptions.get(id)
      }
      const report = await run({ subscriptions: { ...subscriptions, get } }, stopping.signal).catch(
        () => undefined,
      )
      expired += report?.expired ?? 0
      carried += report?.carried ?? 0
      isDone = report?.isDone ?? false
      if (++rounds > 40) assert.fail('it does not come to an end')
      const { missing, deliveries } = await audit(database)
      assert.equal(missing, 0, `after round ${rounds}`)
      assert.ok(deliveries >= 1500)
    }
    assert.ok(rounds > 2, `it was cut off in ${rounds - 1} rounds`)
    if (cut === 'told to stop') assert.deepEqual([expired, carried], [1500, 1500])
    assert.equal(await countEvents(database), 0)
    const attempts = await allAttempts(database)
    assert.deepEqual([attempts.length, new Set(attempts.map(row => row.webhookId)).size], [1500, 1500])
    const owed = (await allOwed(database)).map(row => row.webhookId)
    assert.equal(owed.length, 1500)
    assert.equal((await readContents(database, owed)).size, 1500)
  })
}

test('a row that is being settled at that moment is not waited for, and its event is kept', async t => {
  const { database, run } = await aWorld(t)
  const webhookId = await owe(database, { webhookId: idAt(noon - 73.5 * hourMs) })
  await database.transaction(async tx => {
    await tx.query({ text: 'select from owed for update' })
    const { expired, carried } = await run()
    assert.deepEqual({ expired, carried }, { expired: 0, carried: 1 })
  })
  assert.equal((await readContents(database, [webhookId])).size, 1)
})

test('a partition that an open transaction keeps from being detached holds up nothing else', async t => {
  const { database, deliver, run, hurried } = await aWorld(t)
  await deliver(73.5)
  await database.transaction(async tx => {
    await tx.query({ text: 'lock table events_2026022610 in access share mode' })
    const { partitionsDropped, isDone } = await run({ database: hurried() })
    assert.ok(isDone)
    assert.ok(!partitionsDropped.includes('events_2026022610'))
    assert.ok(partitionsDropped.includes('delivery_logs_2026022610'), 'the others went')
    assert.equal(await countEvents(database), 0, 'nobody sees its events any more, so none without its log')
  })
  const { partitionsDropped } = await run()
  assert.ok(partitionsDropped.includes('events_2026022610'))
})

test('a carried event is held against those only who are still owed it, once the log of the others may go', async t => {
  const { database, run } = await aWorld(t, [patient, { ...patient, id: 2 }])
  const webhookId = await owe(database, { webhookId: idAt(noon - 73.5 * hourMs), subscriptionIds: [1, 2] })
  await run()
  await database.query({ text: 'delete from owed where subscription_id = 2' })
  await run()
  const { rows } = await database.query({ text: 'select webhook_id, subscription_ids from events_carried' })
  assert.deepEqual(rows, [{ webhook_id: webhookId, subscription_ids: [1] }])
})

test('a tombstone goes once it is old and nothing names it any more', async t => {
  const { database, run } = await aWorld(t, [patient])
  const leave = (id: number, hoursAgo: number) =>
    database.query({
      text: `insert into subscription_tombstones (id, tenant, target_url, deleted_at) values ($1, 'default', '', $2)`,
      values: [id, new Date(noon - hoursAgo * hourMs)],
    })
  for (const id of [11, 12, 13]) await leave(id, 100)
  await leave(14, 71)
  await aLane(database, 12) // as long as anything may be owed to it
  await owe(database, { webhookId: idAt(noon - 100), subscriptionIds: [12] })
  await database.query({
    text: `insert into delivery_logs (id, subscription_id, webhook_id, attempt, status, verdict)
           values ($1, 13, $1, 1, 'success', 'delivered')`,
    values: [idAt(noon - 100)],
  })
  await run()
  const { rows } = await database.query<{ id: number }>({
    text: 'select id from subscription_tombstones order by id',
  })
  assert.deepEqual(
    rows.map(row => row.id),
    [12, 13, 14],
  )
})

test('names go with their partition when it is over for as long as the retention, and not before', async t => {
  const { database, close } = await testDatabase({ partitions: false })
  t.after(close)
  const subscriptions = knowing([])
  const deps = { database, logger: silentLogger(), subscriptions, retentionHours: 2, auditDays: 365 }
  const from = noon - hourMs
  await ensurePartitions(database, noon, 2)
  for (const [hours, dropped] of [
    [47, []],
    [48, [`taken_names_${new Date(from).toISOString().slice(0, 13).replaceAll(/[-T]/g, '')}`]],
  ] as const) {
    const report = await runRetention({ ...deps, clock: fakeClock(from + hours * hourMs) })
    const names = report?.partitionsDropped.filter(name => name.startsWith('taken_names'))
    assert.deepEqual(
      names,
      dropped,
      `${hours} hours after its beginning: it ended after 24, and a day later it goes`,
    )
  }
})

test('details go before the log where they are kept for less', async t => {
  const { database, close } = await testDatabase({ partitions: false })
  t.after(close)
  const deps = {
    database,
    clock: fakeClock(noon),
    logger: silentLogger(),
    auditDays: 365,
    subscriptions: knowing([]),
  }
  await ensurePartitions(database, noon - 4 * hourMs, 72, 2)
  await ensurePartitions(database, noon, 72, 2)
  const report = await runRetention({ ...deps, retentionHours: 72, detailsHours: 2 })
  assert.deepEqual(report?.partitionsDropped.toSorted(), [
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
