import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import pg from 'pg'
import { pauseLanes } from '../../src/lanes/subscription-lanes-store.ts'
import { type LanePause, pauseNotice } from '../../src/model/pause.ts'
import type { Queryable, QueryResult } from '../../src/platform/postgres.ts'
import { fixedPlans } from '../../src/platform/sql.ts'
import { noon } from '../support/clock.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { aLane, emptyAll, newId, owe } from '../support/rows.ts'

let world: TestDatabase
before(async () => {
  world = await testDatabase()
})
beforeEach(async () => {
  await emptyAll(world.database)
  for (const id of [1, 2]) await aLane(world.database, id)
})
after(() => world.close())

const later = noon + 3_600_000

async function openUntil(id: number): Promise<number | null> {
  const { rows } = await world.database.query<{ at: number | null }>({
    text: 'select (extract(epoch from open_until) * 1000)::float8 as at from lanes where subscription_id = $1',
    values: [id],
  })
  return rows[0]?.at ?? null
}

/** What other processes are told by the pauses. */
async function toldOf(pauses: readonly LanePause[]): Promise<readonly string[]> {
  const listener = new pg.Client(world.connection)
  await listener.connect()
  const told: string[] = []
  listener.on('notification', ({ channel, payload = '' }) => {
    if (channel === pauseNotice.channel) told.push(payload)
  })
  await listener.query(`listen ${pauseNotice.channel}`)
  await pauseLanes(world.database, pauses)
  await listener.query('select') // its answer comes after what was told before
  await listener.end()
  return told
}

test('a pause closes its lane, and never shortens another; only what is news to others is told to them', async () => {
  const { database } = world
  const webhookId = await owe(database)
  const told = await toldOf([
    { subscriptionId: 1, until: later, reason: 'order', head: { webhookId, attempt: 1 } },
    { subscriptionId: 2, until: later, reason: 'retry_after' },
  ])
  assert.deepEqual([await openUntil(1), await openUntil(2)], [later, later])
  assert.deepEqual(told, [`2 ${later} retry_after`])
  await pauseLanes(database, [{ subscriptionId: 2, until: noon, reason: 'ours' }])
  assert.equal(await openUntil(2), later)
})

test('a lane does not wait for a head that others have delivered, or attempted since', async () => {
  const { database } = world
  const attempted = await owe(database)
  await database.query({ text: 'update owed set attempt = 2' })
  for (const webhookId of [newId(), attempted]) {
    for (const reason of ['order', 'circuit_open'] as const) {
      const pause = { subscriptionId: 1, until: later, reason, head: { webhookId, attempt: 1 } }
      assert.deepEqual(await toldOf([pause]), [])
    }
  }
  assert.equal(await openUntil(1), null)
})

test('of two heads of a batch that which is owed still closes its lane', async () => {
  const webhookId = await owe(world.database, { subscriptionIds: [2] })
  const pause = { until: later, reason: 'order' } as const
  await pauseLanes(world.database, [
    { ...pause, subscriptionId: 1, head: { webhookId, attempt: 1 } }, // it is not owed to this one
    { ...pause, subscriptionId: 2, head: { webhookId, attempt: 1 } },
  ])
  assert.deepEqual([await openUntil(1), await openUntil(2)], [null, later])
})

test('heads are looked for by key, also in a table that the planner takes for empty', async t => {
  const { database, connection } = world
  await database.query({ text: 'vacuum analyze owed' })
  await database.query({
    text: `insert into owed (webhook_id, subscription_id, size_bytes, due_at)
           select gen_random_uuid(), 1, 2, now() from generate_series(1, 40000)`,
  })
  const client = new pg.Client(connection)
  await client.connect()
  t.after(() => client.end())
  await client.query(fixedPlans)
  let pages = 0
  const explained: Queryable = {
    async query<Row extends object>({ text, values }: Parameters<Queryable['query']>[0]) {
      const plan = await client.query(`explain (analyze, buffers, format json) ${text}`, values as unknown[])
      const [{ Plan: top }] = plan.rows[0]['QUERY PLAN']
      pages = top['Shared Hit Blocks'] + top['Shared Read Blocks']
      return { rows: [], rowCount: 0 } satisfies QueryResult<Row>
    },
  }
  const heads = Array.from({ length: 20 }, () => ({ webhookId: newId(), attempt: 1 }))
  const pause = { subscriptionId: 1, until: later, reason: 'order' } as const
  await pauseLanes(
    explained,
    heads.map(head => ({ ...pause, head })),
  )
  assert.ok(pages > 0 && pages < 200, `${pages} pages for 20 heads`)
})
