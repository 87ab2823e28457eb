import pg from 'pg'
import { beat, insertProcess, readProcesses } from '../src/cluster/store.ts'
import { readContents } from '../src/deliver/store.ts'
import { insertEvents } from '../src/ingest/store.ts'
import { repairLanes } from '../src/lanes/recover-store.ts'
import { leaseLanes, leaseNewLanes, readDue, releaseLanes, wakeOwing } from '../src/lanes/store.ts'
import { pauseLanes } from '../src/lanes/subscription-lanes-store.ts'
import { type AttemptEntry, recordAttempts, recordFinalAttempts } from '../src/log/store.ts'
import { systemClock } from '../src/platform/clock.ts'
import { uuidV7Source } from '../src/platform/id.ts'
import type { Queryable, QueryResult, Statement } from '../src/platform/postgres.ts'
import { fixedPlans } from '../src/platform/sql.ts'
import type { Children } from './children.ts'
import { fillLog, fillRetries, fillSubscriptions } from './growth-fill.ts'
import { type Plan, planTable, wholePlans } from './growth-plans.ts'
import { openWorld, subscriptionOf, type World } from './growth-world.ts'
import { readMachine } from './report.ts'

/** Prints the plan by which a prepared statement was run. EXPLAIN of a text with values would show another plan. */
const explainEach = `
  load 'auto_explain';
  set auto_explain.log_min_duration = 0; set auto_explain.log_analyze = on; set auto_explain.log_buffers = on;
  set auto_explain.log_verbose = off; set client_min_messages = log`

/** Rows of one batch, as at full load. */
const batch = 50

/**
 * docs/reference/plans.md: by which plans the statements of the path are run beside the largest of everything.
 *
 * @param whole adds the plans themselves
 */
export async function explainAll(
  children: Children,
  receiverPort: number,
  sizes: readonly number[] | undefined,
  logRows: number,
  whole: boolean,
): Promise<string> {
  const [subscriptions = 100_000, retries = 1_000_000] = sizes ?? []
  const world = await openWorld(children, receiverPort)
  try {
    await fillSubscriptions(world, subscriptions)
    await fillRetries(world, retries)
    await fillLog(world, logRows)
    const plans = await explainPath(world)
    const machine = readMachine()
    const beside = [subscriptions, retries, logRows].map(count => count.toLocaleString('en'))
    return [page(beside, machine.commit), planTable(plans), ...(whole ? [wholePlans(plans)] : [])].join(
      '\n\n',
    )
  } finally {
    await world.close()
  }
}

function page([subscriptions, retries, rows]: readonly string[], commit: string): string {
  return `# Plans of the statements of the path

Made by \`npm run -s bench:growth -- --explain\`, which writes this page to standard output; with \`--plans\` the whole
plans follow. Each statement that an event meets is run once for a batch of ${batch} rows, prepared and with the settings of
its connection, in a transaction that is rolled back. The last row is the repair, which runs once a minute.

Pages of 8 KiB are what to look at: they are the same however large the tables are, but for the depth of an index.
\`test/e2e/flat-cost.test.ts\` fails when a statement reads a table whole, or more pages beside a backlog.

Beside ${subscriptions} subscriptions, ${retries} pending retries and ${rows} attempts in the log, at commit ${commit}:`
}

async function explainPath(world: World): Promise<readonly Plan[]> {
  const client = new pg.Client(world.connection)
  await client.connect()
  try {
    await client.query(`${explainEach}; ${fixedPlans}`)
    await runAll(watched(client, []), subscriptionOf(world), client) // the second run finds all it reads in the cache
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
      await client.query('set local jit = off') // the notice with the plan comes when the next statement begins
      client.off('notice', hear)
      plans.push({ name: name ?? firstWords(text), text: notices.map(withoutQuery).join('\n') })
      return { rows: result.rows as Row[], rowCount: result.rowCount ?? 0 }
    },
  }
}

/** The duration and the plan in a message of auto_explain, without the text of the statement. */
function withoutQuery(message: string): string {
  const [, duration = ''] = /^(duration: [\d.]+ ms)/.exec(message) ?? []
  const lines = message.split('\n')
  const from = lines.findIndex(line => /\((cost|actual)/.test(line))
  return [duration, ...lines.slice(from)].join('\n')
}

function firstWords(text: string): string {
  return text.trim().split(/\s+/).slice(0, 3).join(' ')
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
  await beat(db, owner, { stats: {}, oldestHeldAt: Date.now(), unheardMs: 0, unwrittenFrom: Date.now() })
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
