// How much the search of events reads, beside many events: `npm run bench:search-plans`. README.md says what is measured.
import { parseArgs } from 'node:util'
import { EventSearch } from '../src/events/search.ts'
import { partitionMs } from '../src/log/partitions.ts'
import { Reach } from '../src/model/caller.ts'
import { startEmbeddedPostgres } from '../src/platform/embedded-postgres/embedded-postgres.ts'
import { uuidLowerBound } from '../src/platform/id.ts'
import { migrate } from '../src/platform/migrate.ts'
import { Database, type Queryable, type QueryResult, type Statement } from '../src/platform/postgres.ts'
import { Children } from './children.ts'

const { values } = parseArgs({
  options: { events: { type: 'string', default: '20000000' }, hours: { type: 'string', default: '66' } },
})
const [events, hours] = [Number(values.events), Number(values.hours)]
const hourMs = partitionMs(72)

/** Of a hundred events 90 are of the default tenant, 9 of `large` and 1 is of one of 1,000 small ones. */
const tenant = `case when n % 100 < 90 then 'default' when n % 100 < 99 then 'large' else 'small-' || n % 1000 end`

const searches: readonly {
  readonly name: string
  readonly of: string | null
  readonly query: Parameters<EventSearch['page']>[1]
}[] = [
  { name: 'an operator, nothing asked', of: null, query: {} },
  { name: 'the default tenant', of: 'default', query: {} },
  { name: 'a large tenant', of: 'large', query: {} },
  { name: 'a small tenant', of: 'small-99', query: {} },
  { name: 'a tenant without events', of: 'nobody', query: {} },
  { name: 'a frequent type', of: null, query: { eventType: 'type-1' } },
  { name: 'a type that does not exist', of: null, query: { eventType: 'none' } },
  { name: 'the same of a large tenant', of: 'large', query: { eventType: 'none' } },
  { name: 'pending', of: null, query: { status: 'pending' } },
  { name: 'failed', of: null, query: { status: 'failed' } },
  { name: 'failed, of a small tenant', of: 'small-99', query: { status: 'failed' } },
  { name: 'success', of: 'large', query: { status: 'success' } },
  { name: 'cancelled (there are none)', of: 'large', query: { status: 'cancelled' } },
  { name: 'unmatched (there are none)', of: 'large', query: { status: 'unmatched' } },
]

const children = new Children()
const server = await startEmbeddedPostgres({ dataDir: await children.path('search-plans'), log: () => {} })
const database = new Database({
  connection: server.connection,
  poolSize: 2,
  queryTimeoutMs: 3_600_000,
  connectTimeoutMs: 10_000,
})
try {
  await migrate(database)
  await fill()
  console.log(`Beside ${events.toLocaleString('en')} events in ${hours} partitions:\n`)
  console.log('| search, 50 events to a page | statements | pages of 8 KiB | ms | events found | more |')
  console.log('|---|---|---|---|---|---|')
  for (const { name, of, query } of searches) {
    const reach = of === null ? Reach.all : Reach.of(of)
    await new EventSearch(database).page(reach, query, 50) // what it reads is in the cache then
    const beganAt = performance.now()
    const { events: found, next } = await new EventSearch(database).page(reach, query, 50)
    const ms = performance.now() - beganAt
    const counted = await explained(reach, query)
    const more = next === undefined ? 'no' : 'yes'
    console.log(
      `| ${name} | ${counted.statements} | ${counted.pages.toLocaleString('en')} | ${ms.toFixed(0)} | ${found.length} | ${more} |`,
    )
  }
} finally {
  await database.close()
  await server.stop()
  children.killAll()
}

/** An hour of events at a time, each with an attempt in the log: one in 1,000 has failed for good, one in 2,000 is owed. */
async function fill(): Promise<void> {
  const first = Math.floor(Date.now() / hourMs) * hourMs - hours * hourMs
  const each = Math.ceil(events / hours)
  for (let hour = 0; hour < hours; hour++) {
    const from = first + hour * hourMs
    const bounds = `for values from ('${uuidLowerBound(from)}') to ('${uuidLowerBound(from + hourMs)}')`
    const name = new Date(from).toISOString().slice(0, 13).replaceAll(/[-T]/g, '')
    for (const table of ['events', 'delivery_logs']) {
      await database.query({ text: `create unlogged table ${table}_${name} (like ${table} including all)` })
    }
    const id = (offsetMs: number) =>
      `(select overlay(overlay(lpad(to_hex(${from}::bigint + ${offsetMs} + (n::bigint * 3500000 / ${each})), 12, '0') || '7000' || '8000' || lpad(to_hex(n), 12, '0') placing '-' from 9 for 0) placing '-' from 14 for 0)::uuid)`
    await database.query({
      text: `insert into events_${name} (webhook_id, tenant, event_type, content_type, payload, subscription_ids)
             select ${id(0)}, ${tenant}, 'type-' || n % 50, 'application/json', '\\x7b7d', array[1 + n % 1000]
             from generate_series(1, ${each}) n`,
    })
    await database.query({
      text: `insert into delivery_logs_${name} (id, webhook_id, subscription_id, attempt, status, verdict)
             select ${id(1000)}, ${id(0)}, 1 + n % 1000, 1,
               (case when n % 1000 = 0 then 'failed' else 'success' end)::attempt_status,
               (case when n % 1000 = 0 then 'given_up' else 'delivered' end)::attempt_verdict
             from generate_series(1, ${each}) n where n % 2000 <> 1`,
    })
    await database.query({
      text: `insert into owed (webhook_id, subscription_id, due_at, size_bytes, owner)
             select ${id(0)}, 1 + n % 1000, now(), 2, 1 from generate_series(1, ${each}) n where n % 2000 = 1`,
    })
    for (const table of ['events', 'delivery_logs']) {
      await database.query({ text: `alter table ${table} attach partition ${table}_${name} ${bounds}` })
    }
    if (hour % 6 === 5) console.error(`${hour + 1} of ${hours} hours filled`)
  }
  for (const table of ['events', 'delivery_logs', 'owed']) await database.query({ text: `analyze ${table}` })
}

/** Each statement of a search, explained before it is run. */
async function explained(
  reach: Reach,
  query: Parameters<EventSearch['page']>[1],
): Promise<{ readonly statements: number; readonly pages: number }> {
  const seen = { statements: 0, pages: 0 }
  const watching = (db: Queryable): Queryable => ({
    async query<Row extends object>(statement: Statement): Promise<QueryResult<Row>> {
      if (/^\s*(select|with)/.test(statement.text)) {
        const explain = { ...statement, text: `explain (analyze, buffers, format json) ${statement.text}` }
        const { rows } = await db.query<{ 'QUERY PLAN': { Plan: Record<string, number> }[] }>(explain)
        const plan = rows[0]?.['QUERY PLAN'][0]?.Plan ?? {}
        seen.statements++
        seen.pages += (plan['Shared Hit Blocks'] ?? 0) + (plan['Shared Read Blocks'] ?? 0)
      }
      return db.query<Row>(statement)
    },
  })
  const watched = {
    query: (statement: Statement) => watching(database).query(statement),
    transaction: (work: (tx: Queryable) => Promise<unknown>) =>
      database.transaction(tx => work(watching(tx))),
  } as unknown as Database // what a search uses of it
  await new EventSearch(watched).page(reach, query, 50)
  return seen
}
