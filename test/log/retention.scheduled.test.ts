import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { ensureAuditPartitions, ensurePartitions } from '../../src/log/partitions.ts'
import { runRetention } from '../../src/log/retention.ts'
import { carryScheduled } from '../../src/log/retention-store.ts'
import { recordFinalAttempts } from '../../src/log/store.ts'
import { audit } from '../../src/monitor/audit.ts'
import { besideThePath } from '../../src/platform/batches.ts'
import { type Uuid, uuidLowerBound } from '../../src/platform/id.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import type { Queryable, Statement } from '../../src/platform/postgres.ts'
import { fakeClock, hourMs, noon } from '../support/clock.ts'
import { type Preparation, testDatabase } from '../support/database.ts'
import { hourOf, makePartitions } from '../support/partitions.ts'
import { allOwed, idAt, owe } from '../support/rows.ts'
import { aSubscription } from '../support/subscription.ts'

const retentionHours = 72

const partitions: Preparation = {
  name: 'retention_scheduled',
  async make(database) {
    // What is ended in the log is dated by the database.
    await makePartitions(database, [[hourOf(Date.now()), hourOf(Date.now()) + 2 * hourMs]])
    await ensurePartitions(database, noon, retentionHours)
    await ensureAuditPartitions(database, noon, 365)
  },
}

/** A database whose time a test moves on, hour by hour, with a round of retention whenever it says so. */
async function aWorld(t: TestContext) {
  const { database, close } = await testDatabase({ partitions })
  t.after(close)
  const clock = fakeClock(noon)
  const deps = { database, clock, logger: silentLogger(), retentionHours, auditDays: 365 }
  const subscriptions = {
    get: (id: number) => (id === 9 ? undefined : aSubscription({ id })),
    whichExist: async () => new Set<number>(),
  }
  const rows = async (table: 'events' | 'events_carried') => {
    const { rows } = await database.query<{
      id: Uuid
      ids: number[]
      event_id: string | null
      deliver_at: Date
    }>({
      text: `select webhook_id as id, subscription_ids as ids, event_id, deliver_at from ${table} order by 1`,
    })
    return rows
  }
  return {
    database,
    clock,
    rows,
    /** An event of now for these subscriptions, to be delivered in some hours. */
    schedule: async (inHours: number, to: readonly number[] = [1]) => {
      const deliverAt = clock.now() + inHours * hourMs
      const webhookId = idAt(clock.now())
      const event = {
        webhookId,
        subscriptionIds: to,
        published: { channels: [], eventId: 'mine', deliverAt },
      }
      await owe(database, { ...event, beginsAt: deliverAt })
      return webhookId
    },
    /** Delivers what is owed of an event, to all or to these. */
    deliver: async (webhookId: Uuid, to: readonly number[]) => {
      const at = clock.now()
      await ensurePartitions(database, at, retentionHours)
      const well = { status: 'success', verdict: 'delivered', httpStatus: 200, durationMs: 1 } as const
      await recordFinalAttempts(
        database,
        to.map(subscriptionId => ({
          ...{
            id: idAt(at),
            webhookId,
            subscriptionId,
            timestamp: at,
            attempt: 1,
            nextAt: null,
            error: null,
          },
          ...well,
        })),
      )
    },
    async after(hours: number): Promise<void> {
      clock.advance(hours * hourMs)
      assert.ok(await runRetention({ ...deps, subscriptions }))
      assert.equal((await audit(database)).missing, 0)
    },
  }
}

test('what is scheduled for later than the retention is kept, with all that was said of it, and does not expire', async t => {
  const { rows, schedule, after, database } = await aWorld(t)
  const webhookId = await schedule(1000)
  for (let round = 0; round < 3; round++) await after(300)
  assert.deepEqual(await rows('events'), [])
  assert.deepEqual(await rows('events_carried'), [
    { id: webhookId, ids: [1], event_id: 'mine', deliver_at: new Date(noon + 1000 * hourMs) },
  ])
  assert.equal((await allOwed(database)).length, 1)
})

test('its age counts from its time: it expires when that is older than the retention', async t => {
  const { schedule, after, database } = await aWorld(t)
  await schedule(100)
  await after(171)
  assert.equal((await allOwed(database)).length, 1)
  await after(3)
  assert.deepEqual(await allOwed(database), [])
})

test('after its delivery it is there for as long as any other event, whole', async t => {
  const { rows, schedule, deliver, after } = await aWorld(t)
  const webhookId = await schedule(100, [1, 2])
  await after(100)
  await deliver(webhookId, [1, 2])
  await after(60)
  assert.deepEqual(
    (await rows('events_carried')).map(({ id, ids }) => [id, ids]),
    [[webhookId, [1, 2]]],
  )
  await after(14)
  assert.deepEqual(await rows('events_carried'), [])
})

test('one whose time came before its partition went is kept on, too', async t => {
  const { rows, schedule, deliver, after } = await aWorld(t)
  const webhookId = await schedule(70, [1, 2])
  const unwanted = await schedule(70, [])
  await after(70)
  await deliver(webhookId, [1, 2])
  await after(5)
  assert.deepEqual(await rows('events'), [])
  assert.deepEqual(
    (await rows('events_carried')).map(({ id, ids }) => [id, ids]),
    [[webhookId, [1, 2]], [unwanted, []] as const].sort(([one], [other]) => (one < other ? -1 : 1)),
  )
  await after(70)
  assert.deepEqual(await rows('events_carried'), [])
})

test('what ended before its time is no longer counted once its log is gone', async t => {
  const { rows, schedule, deliver, after } = await aWorld(t)
  const webhookId = await schedule(100, [1, 2])
  await after(99)
  await deliver(webhookId, [2]) // as a cancellation ends it
  await after(1)
  await deliver(webhookId, [1])
  await after(66)
  for (let hour = 66; hour < 76; hour++) await after(1) // each of which asks whether anything is missing
  assert.deepEqual(await rows('events_carried'), [])
})

test('those whose time has come are found by an index, whatever else a partition holds', async t => {
  const { database, schedule } = await aWorld(t)
  await schedule(1)
  const beginning = idAt(noon).slice(0, 14)
  await database.query({
    text: `insert into events (webhook_id, tenant, content_type, payload, subscription_ids)
           select ($1 || substr(gen_random_uuid()::text, 15))::uuid, 'default', 'text/plain', 'x', '{}'
           from generate_series(1, 5000)`,
    values: [beginning],
  })
  let plan = ''
  await besideThePath(database, 'test', async session => {
    const explaining: Queryable = {
      async query<Row extends object>({ text, values = [] }: Statement) {
        const { rows } = await session.query<{ 'QUERY PLAN': string }>({ text: `explain ${text}`, values })
        plan = rows.map(row => row['QUERY PLAN']).join('\n')
        return { rows: [] as Row[], rowCount: 0 }
      },
    }
    const from = { deliverAt: noon, webhookId: uuidLowerBound(0) }
    await carryScheduled(explaining, uuidLowerBound(noon - 1), uuidLowerBound(noon + 1), from, 1000)
  })
  const page = plan.slice(plan.indexOf('CTE page'), plan.indexOf('CTE carried'))
  assert.match(page, /events_\d+_deliver_at_webhook_id_idx/)
  assert.doesNotMatch(page, /Seq Scan|pkey/)
})
