import pg from 'pg'
import { beat, insertProcess, readProcesses } from '../src/cluster/store.ts'
import { readContents } from '../src/deliver/store.ts'
import { insertEvents } from '../src/ingest/store.ts'
import { repairLanes } from '../src/lanes/recover-store.ts'
import {
  leaseLanes,
  leaseNewLanes,
  pauseLanes,
  readDue,
  releaseLanes,
  wakeOwing,
} from '../src/lanes/store.ts'
import { type AttemptEntry, recordAttempts, recordFinalAttempts } from '../src/log/store.ts'
import { systemClock } from '../src/platform/clock.ts'
import { uuidV7Source } from '../src/platform/id.ts'
import type { Queryable, QueryResult, Statement } from '../src/platform/postgres.ts'
import { fixedPlans } from '../src/platform/sql.ts'
import type { Children } from './children.ts'
import { fillLog, fillRetries, fillSubscriptions } from './growth-fill.ts'
import { openWorld, subscriptionOf, type World } from './growth-world.ts'
import { readMachine } from './report.ts'

/** Shows the plan that a prepared statement was run by, which EXPLAIN with values in it would not. */
const explainEach = `
  load 'auto_explain';
  set auto_explain.log_min_duration = 0; set auto_explain.log_analyze = on; set auto_explain.log_buffers = on;
  set auto_explain.log_verbose = off; set client_min_messages = log`

/** Rows of one batch, as at full load. */
const batch = 50

interface Plan {
  readonly name: string
  readonly text: string
}

/** The plans of the statements of the path beside the largest of everything, as Markdown. */
export async function explainAll(
  children: Children,
  receiverPort: number,
  sizes: readonly number[] | undefined,
  logRows: number,
): Promise<string> {
  const [subscriptions = 100_000, retries = 1_000_000] = sizes ?? []
  const world = await openWorld(children, receiverPort)
  try {
    await fillSubscriptions(world, subscriptions)
    await fillRetries(world, retries)
    await fillLog(world, logRows)
    const plans = await explainPath(world)
    const machine = readMachine()
    const head = `Beside ${subscriptions} subscriptions, ${retries} pending retries and ${logRows} attempts in the log; commit ${machine.commit}.`
    return [head, ...plans.map(({ name, text }) => `### ${name}\n\n\`\`\`\n${text}\n\`\`\``)].join('\n\n')
  } finally {
    await world.close()
  }
}

async function explainPath(world: World): Promise<readonly Plan[]> {
  const client = new pg.Client(world.connection)
  await client.connect()
  try {
    await client.query(`${explainEach}; ${fixedPlans}`)
    await runAll(watched(client, []), subscriptionOf(world), client) // so that nothing is read for the first time
    const plans: Plan[] = []
    await runAll(watched(client, plans), subscriptionOf(world), client)
    return plans
  } finally {
    await client.end()
  }
}

/** Runs statements as the connections of the path do: prepared, by generic plans. */
function watched(client: pg.Client, plans: Plan[]): Queryable {
  return {
    async query<Row extends object>({ name, text, values }: Statement): Promise<QueryResult<Row>> {
      const notices: string[] = []
      const hear = (notice: { message?: string | undefined }) => notices.push(notice.message ?? '')
      client.on('notice', hear)
      const prepared = { text, ...(name && { name }), ...(values && { values: values as unknown[] }) }
      const result = await client.query(prepared)
      await client.query('set local jit = off') // a plan is told of only when the next statement begins
      client.off('notice', hear)
      plans.push({ name: name ?? firstWords(text), text: notices.map(withoutQuery).join('\n') })
      return { rows: result.rows as Row[], rowCount: result.rowCount ?? 0 }
    },
  }
}

/** Of what auto_explain says: the time, and the plan without the statement before it. */
function withoutQuery(message: string): string {
  const [, duration = ''] = /^(duration: [\d.]+ ms)/.exec(message) ?? []
  const lines = message.split('\n')
  const from = lines.findIndex(line => /\((cost|actual)/.test(line))
  return [duration, ...lines.slice(from)].join('\n')
}

function firstWords(text: string): string {
  return text.trim().split(/\s+/).slice(0, 4).join(' ')
}

/** One batch through all statements of the path, in a transaction that is rolled back. */
async function runAll(db: Queryable, subscriptionId: number, client: pg.Client): Promise<void> {
  await client.query('begin')
  try {
    await runBatch(db, subscriptionId)
  } finally {
    await client.query('rollback')
  }
}

async function runBatch(db: Queryable, subscriptionId: number): Promise<void> {
  const newId = uuidV7Source(systemClock())
  const now = Date.now()
  const owner = await insertProcess(db, { host: 'explain', pid: process.pid, role: 'all', version: '0' }, 0)
  await beat(db, owner, { stats: {}, oldestHeldAt: Date.now(), unheardMs: 0 })
  await readProcesses(db)
  const accept = async (owned: number | null) => {
    const ids = Array.from({ length: batch }, () => newId())
    const payload = Buffer.alloc(500, 'x')
    const common = { tenant: 'default', eventType: null, contentType: 'application/json', payload }
    const events = ids.map(webhookId => ({ ...common, webhookId, subscriptionIds: [subscriptionId] }))
    const owed = ids.map(webhookId => ({ webhookId, subscriptionId, sizeBytes: 500, owner: owned }))
    await insertEvents(db, events, owed, now)
    return ids
  }
  const [hot, laned] = [await accept(owner), await accept(null)]
  const delivered = (ids: typeof hot, attempt: number): AttemptEntry[] =>
    ids.map(webhookId => ({
      id: newId(),
      subscriptionId,
      webhookId,
      timestamp: now,
      attempt,
      status: 'success',
      verdict: 'delivered',
      httpStatus: 200,
      durationMs: 1,
      nextAt: null,
      error: null,
    }))
  await recordFinalAttempts(db, delivered(hot, 1))
  await leaseLanes(db, owner, now + 1000, 256)
  await leaseNewLanes(db, owner, now - 5000, now + 1000, 256)
  const after = { dueAt: 0, webhookId: '00000000-0000-0000-0000-000000000000' as (typeof hot)[number] }
  await readDue(db, [{ subscriptionId, after, limit: batch }], now + 1000)
  await readContents(db, laned)
  const failed = delivered(laned, 1).map(
    row => ({ ...row, status: 'failed', verdict: 'retry', httpStatus: 500, nextAt: now + 5000 }) as const,
  )
  const again = laned.map(webhookId => ({
    webhookId,
    subscriptionId,
    attempt: 1,
    nextAttempt: 2,
    dueAt: now + 5000,
  }))
  await recordAttempts(db, owner, failed, again)
  await releaseLanes(db, owner, [subscriptionId])
  await wakeOwing(db, [subscriptionId])
  await pauseLanes(db, [{ subscriptionId, until: now + 30_000, reason: 'order' }])
  await repairLanes(db, -1, 1000)
}
