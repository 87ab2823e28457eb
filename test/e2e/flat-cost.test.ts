import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import pg from 'pg'
import { readContents } from '../../src/deliver/store.ts'
import { insertEvents } from '../../src/ingest/store.ts'
import { leaseLanes, readDue, releaseLanes, wakeOwing } from '../../src/lanes/store.ts'
import { recordAttempts, recordFinalAttempts } from '../../src/log/store.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { uuidLowerBound, uuidV7Source } from '../../src/platform/id.ts'
import type { Queryable, QueryResult, Statement } from '../../src/platform/postgres.ts'
import { fixedPlans } from '../../src/platform/sql.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'

// What an event costs does not depend on what else is stored: no statement of the path reads a table through, and
// the pages they touch stay the same beside a backlog.

let world: TestDatabase
let client: pg.Client
before(async () => {
  world = await testDatabase()
  client = new pg.Client(world.connection)
  await client.connect()
  await client.query(fixedPlans)
})
after(async () => {
  await client.end()
  await world.close()
})

const newId = uuidV7Source(systemClock())

interface Seen {
  readonly name: string
  readonly nodes: readonly string[]
  readonly pages: number
}

interface PlanNode {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly 'Shared Hit Blocks': number
  readonly 'Shared Read Blocks': number
  readonly Plans?: readonly PlanNode[]
}

/** Runs statements as the path's connections do, and sees how PostgreSQL went about each. */
function watched(seen: Seen[]): Queryable {
  return {
    async query<Row extends object>(statement: Statement): Promise<QueryResult<Row>> {
      const values = statement.values as unknown[]
      await client.query('begin')
      const explained = await client.query(
        `explain (analyze, buffers, format json) ${statement.text}`,
        values,
      )
      await client.query('rollback')
      const [{ Plan: plan }] = explained.rows[0]['QUERY PLAN']
      const nodes: string[] = []
      const own = (node: PlanNode) => node['Shared Hit Blocks'] + node['Shared Read Blocks']
      // A node counts what is below it, but for statements in a WITH that end after it.
      const walk = (node: PlanNode): number => {
        nodes.push(`${node['Node Type']} ${node['Relation Name'] ?? ''}`.trim())
        const below = (node.Plans ?? []).map(child => walk(child)).reduce((sum, pages) => sum + pages, 0)
        return Math.max(own(node), below)
      }
      seen.push({ name: statement.name ?? '', nodes, pages: walk(plan) })
      const result = await client.query({ text: statement.text, values })
      return { rows: result.rows, rowCount: result.rowCount ?? 0 }
    },
  }
}

/** One event through all statements of the path: accepted, failed once, read from its lane, delivered. */
async function passOne(subscriptionId: number): Promise<readonly Seen[]> {
  const seen: Seen[] = []
  const db = watched(seen)
  const [webhookId, now] = [newId(), Date.now()]
  const payload = Buffer.from('{}')
  const event = {
    webhookId,
    tenant: 'default',
    eventType: null,
    contentType: 'application/json',
    payload,
    subscriptionIds: [subscriptionId],
  }
  await insertEvents(db, [event], [{ webhookId, subscriptionId, sizeBytes: 2, owner: 7 }], now)
  const others = [newId(), newId()].map(webhookId => ({ ...event, webhookId }))
  const rows = others.map(({ webhookId }) => ({ webhookId, subscriptionId, sizeBytes: 2, owner: 7 }))
  await insertEvents(db, others, rows, now) // a single one takes another statement
  const row = {
    subscriptionId,
    webhookId,
    timestamp: now,
    attempt: 1,
    status: 'failed',
    verdict: 'retry',
    httpStatus: 500,
    durationMs: 1,
    nextAt: now,
    error: null,
  } as const
  const again = { webhookId, subscriptionId, attempt: 1, nextAttempt: 2, dueAt: now }
  await recordAttempts(db, 7, [{ ...row, id: newId() }], [again])
  const leased = await leaseLanes(db, 7, Date.now() + 1000, 10)
  assert.ok(leased.some(lane => lane.subscriptionId === subscriptionId))
  const after = { dueAt: 0, webhookId: '00000000-0000-0000-0000-000000000000' as typeof webhookId }
  const due = await readDue(db, [{ subscriptionId, after, limit: 10 }], Date.now() + 1000)
  assert.equal(due.length, 1)
  assert.equal((await readContents(db, [webhookId])).size, 1)
  await recordFinalAttempts(db, [
    {
      ...row,
      id: newId(),
      attempt: 2,
      status: 'success',
      verdict: 'delivered',
      httpStatus: 200,
      nextAt: null,
    },
  ])
  await releaseLanes(db, 7, [subscriptionId])
  return seen
}

test('no statement of the path reads a table through, and none touches more pages beside a backlog', async () => {
  const { database } = world
  await database.query({ text: 'insert into lanes (subscription_id) select generate_series(1, 2)' })
  await passOne(1)
  const alone = await passOne(1)
  await database.query({
    text: `insert into lanes (subscription_id, due_at)
           select n, now() + interval '1 hour' from generate_series(100, 5099) n`,
  })
  await database.query({
    text: `insert into owed (webhook_id, subscription_id, attempt, size_bytes, due_at)
           select gen_random_uuid(), 2 + n % 5000, 2, 2, now() + interval '1 hour' from generate_series(1, 60000) n`,
  })
  await database.query({
    text: `insert into delivery_logs (id, subscription_id, webhook_id, attempt, status, verdict)
           select gen_random_uuid(), n % 5000, gen_random_uuid(), 1, 'success', 'delivered' from generate_series(1, 60000) n`,
  })
  await passOne(1)
  const beside = await passOne(1)
  for (const { name, nodes } of [...alone, ...beside]) {
    const throughs = nodes.filter(node => /^Seq Scan (owed|lanes|events|delivery_logs)/.test(node))
    assert.deepEqual(throughs, [], name)
  }
  for (const [index, { name, pages }] of alone.entries()) {
    const more = beside[index]?.pages ?? 0
    // An index of a deeper tree costs a page or two per probe, and dead rows of the moment before some; reading the table
    // through, or an index of it, would be hundreds.
    assert.ok(more <= pages + 75, `${name}: ${pages} pages alone, ${more} beside 60,000 rows`)
  }
})

test('no statement reads a table through that the planner takes for empty, while a held transaction keeps dead rows in it', async t => {
  const { database, connection } = world
  const holder = new pg.Client(connection)
  await holder.connect()
  t.after(() => holder.end())
  await database.query({ text: 'truncate owed, lanes' })
  await holder.query('begin isolation level repeatable read')
  await holder.query('select count(*) from owed')
  await database.query({
    text: `insert into owed (webhook_id, subscription_id, size_bytes, due_at)
           select gen_random_uuid(), 1, 2, now() from generate_series(1, 40000)`,
  })
  await database.query({ text: 'delete from owed' })
  await database.query({ text: 'vacuum analyze owed' })
  const seen: Seen[] = []
  // So many that it would be tempting to read the table once and look for its rows in the batch.
  const rows = Array.from({ length: 20 }, () => settledRow())
  await recordFinalAttempts(watched(seen), rows)
  const again = rows.map(({ webhookId }) => ({ ...anAttempt, webhookId, nextAttempt: 2, dueAt: Date.now() }))
  await recordAttempts(
    watched(seen),
    7,
    rows.map(row => ({ ...row, id: newId(), verdict: 'retry' as const })),
    again,
  )
  const after = { dueAt: Date.now(), webhookId: uuidLowerBound(0) }
  await readDue(watched(seen), [{ subscriptionId: 1, after, limit: 10 }], Date.now())
  await releaseLanes(watched(seen), 7, [1], null, () => Date.now())
  await wakeOwing(watched(seen), [1], () => Date.now())
  for (const { name, pages } of seen) assert.ok(pages < 2000, `${name}: ${pages} pages for 20 rows`)
})

const anAttempt = { subscriptionId: 1, attempt: 1 } as const

function settledRow() {
  return {
    ...anAttempt,
    id: newId(),
    webhookId: newId(),
    timestamp: Date.now(),
    status: 'success',
    verdict: 'delivered',
    httpStatus: 200,
    durationMs: 1,
    nextAt: null,
    error: null,
  } as const
}
