// What indexes for searching cost the path of an event: `npm run bench:index-cost`. README.md says what is measured.
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { insertProcess } from '../src/cluster/store.ts'
import { type EventRow, insertEvents } from '../src/ingest/store.ts'
import { ensurePartitions } from '../src/log/partitions.ts'
import { type AttemptEntry, recordAttempts, recordFinalAttempts } from '../src/log/store.ts'
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

/** Indexes on top of those of migration 0001, and who the events are of. */
interface Variant {
  readonly name: string
  readonly indexes: readonly string[]
  /** How many tenants, of which each gets an event in turn; 0: the default one. */
  readonly tenants: number
  /** How many of a hundred events are given up. */
  readonly failures: number
}

const ofTenant = 'create index on events (tenant, webhook_id)'
const ofOtherTenants = `${ofTenant} where tenant <> 'default'`
const endedBadly = `create index on delivery_logs (webhook_id) where verdict in ('given_up', 'expired', 'cancelled')`

const variants: readonly Variant[] = [
  { name: 'none, tenant default', indexes: [], tenants: 0, failures: 0 },
  { name: 'all tenants, tenant default', indexes: [ofTenant], tenants: 0, failures: 0 },
  { name: 'tenants but default, tenant default', indexes: [ofOtherTenants], tenants: 0, failures: 0 },
  { name: 'ended badly, tenant default', indexes: [endedBadly], tenants: 0, failures: 0 },
  { name: 'both partial, tenant default', indexes: [ofOtherTenants, endedBadly], tenants: 0, failures: 0 },
  { name: 'none, 1,000 tenants', indexes: [], tenants: 1000, failures: 0 },
  { name: 'tenants but default, 1,000 tenants', indexes: [ofOtherTenants], tenants: 1000, failures: 0 },
  { name: 'none, all given up', indexes: [], tenants: 0, failures: 100 },
  { name: 'ended badly, all given up', indexes: [endedBadly], tenants: 0, failures: 100 },
]

interface Cost {
  readonly microseconds: number
  readonly walBytes: number
}

const newId = uuidV7Source(systemClock())

async function run(db: Queryable, owner: number, { tenants, failures }: Variant): Promise<void> {
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
    const attempts = rows.map(({ webhookId }, n): AttemptEntry => {
      const failed = n % 100 < failures
      return {
        ...{
          id: newId(),
          subscriptionId: 1,
          webhookId,
          timestamp: now,
          attempt: 1,
          durationMs: 1,
          nextAt: null,
        },
        ...(failed
          ? { status: 'failed', verdict: 'given_up', httpStatus: 500, error: 'HTTP 500', errorClass: 'http' }
          : { status: 'success', verdict: 'delivered', httpStatus: 200, error: null }),
      }
    })
    if (failures === 0) await recordFinalAttempts(db, attempts)
    else await recordAttempts(db, owner, attempts, [])
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
