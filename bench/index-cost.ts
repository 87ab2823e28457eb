// What indexes for searching cost the path of an event: `npm run bench:index-cost`. README.md says what is measured.
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { insertProcess } from '../src/cluster/store.ts'
import { type EventRow, insertEvents } from '../src/ingest/store.ts'
import { ensurePartitions } from '../src/log/partitions.ts'
import { type AttemptEntry, recordFinalAttempts } from '../src/log/store.ts'
import { systemClock } from '../src/platform/clock.ts'
import { startEmbeddedPostgres } from '../src/platform/embedded-postgres/embedded-postgres.ts'
import { uuidV7Source } from '../src/platform/id.ts'
import { migrate } from '../src/platform/migrate.ts'
import { Database, type Queryable } from '../src/platform/postgres.ts'
import { fixedPlans } from '../src/platform/sql.ts'
import { Children } from './children.ts'
import { median, rounded } from './growth-world.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '6' },
    events: { type: 'string', default: '100000' },
    batch: { type: 'string', default: '50' },
  },
})
const [rounds, events, batch] = [Number(values.rounds), Number(values.events), Number(values.batch)]

/** Indexes besides those that others need, and who the events are of. */
interface Variant {
  readonly name: string
  readonly indexes: readonly string[]
  /** How many tenants, of which each gets an event in turn; 0: the default one. */
  readonly tenants: number
}

const ofTenant = 'create index on events (tenant, webhook_id)'
const ofOtherTenants = `${ofTenant} where tenant <> 'default'`
const variants: readonly Variant[] = [
  { name: 'none, default tenant', indexes: [], tenants: 0 },
  { name: 'of all tenants, default tenant', indexes: [ofTenant], tenants: 0 },
  { name: 'of all but the default one, default tenant', indexes: [ofOtherTenants], tenants: 0 },
  { name: 'none, 1,000 tenants', indexes: [], tenants: 1000 },
  { name: 'of all but the default one, 1,000 tenants', indexes: [ofOtherTenants], tenants: 1000 },
]

interface Cost {
  readonly microseconds: number
  readonly walBytes: number
}

const newId = uuidV7Source(systemClock())

async function run(db: Queryable, owner: number, { tenants }: Variant): Promise<void> {
  const payload = Buffer.alloc(500, 'x')
  for (let done = 0; done < events; done += batch) {
    const now = Date.now()
    const rows: EventRow[] = Array.from({ length: batch }, (_, n) => ({
      webhookId: newId(),
      tenant: tenants === 0 ? 'default' : `tenant-${((done + n) * 7919) % tenants}`,
      eventType: 'order.created',
      contentType: 'application/json',
      payload,
      subscriptionIds: [1],
    }))
    const owed = rows.map(({ webhookId }) => ({ webhookId, subscriptionId: 1, sizeBytes: 500, owner }))
    await insertEvents(db, rows, owed, now)
    const attempts = rows.map(
      ({ webhookId }): AttemptEntry => ({
        ...{
          id: newId(),
          subscriptionId: 1,
          webhookId,
          timestamp: now,
          attempt: 1,
          durationMs: 1,
          nextAt: null,
        },
        ...{ status: 'success', verdict: 'delivered', httpStatus: 200, error: null },
      }),
    )
    await recordFinalAttempts(db, attempts)
  }
}

const children = new Children()
const server = await startEmbeddedPostgres({ dataDir: await children.path('index-cost'), log: () => {} })
const database = new Database({
  connection: server.connection,
  poolSize: 2,
  queryTimeoutMs: 60_000,
  connectTimeoutMs: 10_000,
})
try {
  await migrate(database)
  await database.query({ text: 'drop index events_of_tenant' }) // the one of the variants is measured
  await ensurePartitions(database, Date.now(), 72)
  const owner = await insertProcess(
    database,
    { host: 'bench', pid: process.pid, role: 'all', version: '0' },
    0,
  )
  const costs = new Map<Variant, Cost[]>()
  for (let round = 0; round < rounds; round++) {
    for (const variant of variants) {
      const { microseconds, walBytes } = await measure(variant, owner)
      const of = costs.get(variant) ?? []
      costs.set(variant, [...of, { microseconds, walBytes }])
      console.error(round, variant.name, rounded(microseconds, 2), Math.round(walBytes))
    }
  }
  console.log('| indexes, events | CPU of PostgreSQL, µs per event | WAL, bytes per event |\n|---|---|---|')
  for (const [{ name }, of] of costs) {
    const cpu = rounded(median(of.map(({ microseconds }) => microseconds)), 1)
    console.log(`| ${name} | ${cpu} | ${Math.round(median(of.map(({ walBytes }) => walBytes)))} |`)
  }
} finally {
  await database.close()
  await server.stop()
  children.killAll()
}

/** Each time in empty tables, with a session of its own, and after a checkpoint. */
async function measure(variant: Variant, owner: number): Promise<Cost> {
  await database.query({ text: 'truncate events, owed, delivery_logs' })
  const names: string[] = []
  for (const text of variant.indexes) {
    const name = `bench_${names.length}`
    await database.query({ text: text.replace('create index on', `create index ${name} on`) })
    names.push(name)
  }
  await database.query({ text: 'checkpoint' })
  const client = new pg.Client({ ...server.connection })
  await client.connect()
  try {
    await client.query(fixedPlans)
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
    const db: Queryable = {
      query: async ({ name, text, values: given }) => {
        const result = await client.query({ text, ...(name && { name }), values: given as unknown[] })
        return { rows: result.rows, rowCount: result.rowCount ?? 0 }
      },
    }
    const before = await at(rows[0]?.pid ?? 0)
    await run(db, owner, variant)
    const after = await at(rows[0]?.pid ?? 0)
    return {
      microseconds: ((after.ticks - before.ticks) * 10_000) / events,
      walBytes: (after.wal - before.wal) / events,
    }
  } finally {
    await client.end()
    for (const name of names) await database.query({ text: `drop index ${name}` })
  }
}

/** Ticks of 10 ms that a process of PostgreSQL has used, and how far the WAL is. */
async function at(pid: number): Promise<{ readonly ticks: number; readonly wal: number }> {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  const { rows } = await database.query<{ wal: number }>({
    text: `select (pg_current_wal_insert_lsn() - '0/0')::float8 as wal`,
  })
  return { ticks: Number(fields[11]) + Number(fields[12]), wal: rows[0]?.wal ?? 0 }
}
