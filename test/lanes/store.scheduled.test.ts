import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { lockOwedOfEvent } from '../../src/lanes/cancel-store.ts'
import { leaseLanes, readDue, releaseLanes } from '../../src/lanes/store.ts'
import { uuidLowerBound } from '../../src/platform/id.ts'
import type { Connection, Queryable, Statement } from '../../src/platform/postgres.ts'
import { fixedPlans } from '../../src/platform/sql.ts'
import { hourMs, noon } from '../support/clock.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { atLength } from '../support/length.ts'
import { owe } from '../support/rows.ts'

// What waits for a time that is far away costs nothing until then, however much it is.

const waiting = atLength(1_000_000, 50_000)

let world: TestDatabase
let connection: Connection
before(async () => {
  world = await testDatabase()
  connection = world.database.connection('lanes', { session: fixedPlans, queryTimeoutMs: 60_000 })
  await connection.query({
    text: `insert into owed (webhook_id, subscription_id, size_bytes, due_at, replayed_at)
           select gen_random_uuid(), n % 1000 + 1, 10, t, t
           from generate_series(1, $1::int) n,
             lateral (select to_timestamp($2::float8 / 1000) + make_interval(secs => n) as t) times`,
    values: [waiting, noon + hourMs],
  })
  await connection.query({
    text: `insert into lanes (subscription_id, due_at)
           select n, to_timestamp($1::float8 / 1000) from generate_series(1, 1000) n`,
    values: [noon + hourMs],
  })
})
after(() => world.close())

/** Pages that the statements of some work touch. */
async function pagesOf(work: (db: Queryable) => Promise<unknown>): Promise<number> {
  let pages = 0
  const explaining: Queryable = {
    async query<Row extends object>({ text, values }: Statement) {
      const explained = { text: `explain (analyze, buffers, format json) ${text}`, ...(values && { values }) }
      const { rows } = await connection.query<Record<string, [{ Plan: Record<string, number> }]>>(explained)
      const plan = rows[0]?.['QUERY PLAN']?.[0].Plan ?? {}
      pages += (plan['Shared Hit Blocks'] ?? 0) + (plan['Shared Read Blocks'] ?? 0)
      return { rows: [] as Row[], rowCount: 0 }
    },
  }
  await work(explaining)
  return pages
}

const lane = { subscriptionId: 7, after: { dueAt: 0, webhookId: uuidLowerBound(0) }, limit: 100 }
const looks: Readonly<Record<string, (db: Queryable) => Promise<unknown>>> = {
  'looking for lanes that are due': db => leaseLanes(db, 1, noon, 500),
  'reading a lane of which nothing is due': db => readDue(db, [lane], noon),
  'giving a lane back': db => releaseLanes(db, 1, [7]),
}

for (const [what, work] of Object.entries(looks)) {
  test(`${what} touches a few pages while ${waiting.toLocaleString('en')} scheduled deliveries wait`, async () => {
    const pages = await pagesOf(work)
    assert.ok(pages > 0 && pages < 25, `${pages} pages`)
  })
}

test('cancelling one event touches what that event owes, and nothing of the others', async () => {
  const webhookId = await owe(world.database, { subscriptionIds: [7], beginsAt: noon + hourMs })
  const pages = await pagesOf(db => lockOwedOfEvent(db, webhookId))
  assert.ok(pages > 0 && pages < 25, `${pages} pages`)
})
