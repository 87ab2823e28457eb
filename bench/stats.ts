// How soon figures are answered beside a long log, and what the roll-ups cost: `npm run bench:stats`. README.md says what is
// measured.
import { parseArgs } from 'node:util'
import { partitionMs } from '../src/log/partitions.ts'
import { Reach } from '../src/model/caller.ts'
import { startEmbeddedPostgres } from '../src/platform/embedded-postgres/embedded-postgres.ts'
import { uuidLowerBound } from '../src/platform/id.ts'
import { silentLogger } from '../src/platform/logger.ts'
import { migrate } from '../src/platform/migrate.ts'
import { Database } from '../src/platform/postgres.ts'
import { RollUps } from '../src/stats/roll-up.ts'
import { Stats } from '../src/stats/stats.ts'
import { windowNames } from '../src/stats/steps.ts'
import { Children } from './children.ts'

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '20000000' },
    subscriptions: { type: 'string', default: '10000' },
    hours: { type: 'string', default: '33' },
  },
})
const [rows, subscriptions, hours] = [Number(values.rows), Number(values.subscriptions), Number(values.hours)]
const hourMs = 3_600_000
const minuteMs = 60_000

const children = new Children()
const server = await startEmbeddedPostgres({ dataDir: await children.path('stats'), log: () => {} })
const database = new Database({
  connection: server.connection,
  poolSize: 2,
  queryTimeoutMs: 3_600_000,
  connectTimeoutMs: 10_000,
})

/** A whole minute, and 20 seconds: that much of the log is not rolled up. */
const now = Math.floor(Date.now() / minuteMs) * minuteMs + 20_000
const from = now - hours * hourMs

try {
  await migrate(database)
  await fill()
  await rollUp()
  await answers()
} finally {
  await database.close()
  await server.stop()
  children.killAll()
}

/** Rows at even distances, each subscription in turn, one in twenty failed. */
async function fill(): Promise<void> {
  await database.query({
    text: `insert into subscriptions (id, target_url, signing_secrets, tenant)
           select n, 'http://127.0.0.1:9/', '[]', 'default' from generate_series(1, $1::int) n`,
    values: [subscriptions],
  })
  const partMs = partitionMs(72)
  for (let start = Math.floor(from / partMs) * partMs; start <= now; start += partMs) {
    await database.query({
      text: `create table delivery_logs_${start} partition of delivery_logs
             for values from ('${uuidLowerBound(start)}') to ('${uuidLowerBound(start + partMs)}')`,
    })
  }
  const batch = 500_000
  for (let done = 0; done < rows; done += batch) {
    await database.query({
      text: `
        insert into delivery_logs (id, webhook_id, "timestamp", subscription_id, status, verdict, duration_ms, attempt, error_class)
        select (lpad(to_hex(at), 12, '0') || '7000' || lpad(to_hex(n), 16, '8000'))::uuid, gen_random_uuid(),
          to_timestamp(at / 1000.0), 1 + n % $4::int, (case when n % 20 = 7 then 'failed' else 'success' end)::attempt_status,
          (case when n % 20 = 7 then 'retry' else 'delivered' end)::attempt_verdict,
          (exp(random() * 6))::int, 1, case when n % 20 = 7 then 'http' end
        from generate_series($1::bigint, $2::bigint) n
        cross join lateral (select ($3::float8 + n * $5::float8)::bigint as at) t`,
      values: [done, Math.min(done + batch, rows) - 1, from, subscriptions, (now - from) / rows],
    })
  }
  await database.query({ text: 'vacuum analyze delivery_logs' })
  await database.query({ text: 'checkpoint' })
}

async function rollUp(): Promise<void> {
  const clock = { now: () => now }
  const rollUps = new RollUps({
    ...{ database, clock, logger: silentLogger() },
    ...{ logRetentionHours: 72, statsRetentionDays: 90, restShare: 0 },
  })
  const beganAt = performance.now()
  const report = await rollUps.run()
  const seconds = (performance.now() - beganAt) / 1000
  const { rows: sizes } = await database.query<{ mb: number; log_mb: number; count: number }>({
    text: `select ((pg_total_relation_size('subscription_stats') + pg_total_relation_size('tenant_stats')) / 1e6)::float8 as mb,
             (select sum(pg_total_relation_size(inhrelid)) / 1e6 from pg_inherits
               where inhparent = 'delivery_logs'::regclass)::float8 as log_mb,
             (select count(*)::float8 from subscription_stats) as count`,
  })
  const [size] = sizes
  const number = (value: number | undefined) => Math.round(value ?? 0).toLocaleString('en')
  console.log(
    `${number(rows)} rows of the log (${number(size?.log_mb)} MB) of ${hours} hours and ${number(subscriptions)} subscriptions, ` +
      `${number(rows / hours / 60)} a minute.\n` +
      `Rolled up in ${seconds.toFixed(1)} s, ${((seconds / rows) * 1e6).toFixed(2)} µs a row of the log: ` +
      `${report?.minutes} minutes, ${report?.combined} longer periods; ${number(size?.count)} rows (${number(size?.mb)} MB).\n`,
  )
  await database.query({ text: 'vacuum analyze subscription_stats, tenant_stats, stats_periods' })
}

async function answers(): Promise<void> {
  const stats = new Stats({ database, clock: { now: () => now } })
  const page = Array.from(
    { length: 100 },
    (_, index) => 1 + index * Math.max(1, Math.floor(subscriptions / 100)),
  )
  const asked = (window: (typeof windowNames)[number]) =>
    [
      ['one subscription', (id: number) => stats.ofSubscription(1 + (id % subscriptions), window)],
      ['all', () => stats.ofAll(Reach.all, window)],
      ['one tenant', () => stats.ofAll(Reach.of('default'), window)],
      ['50 subscriptions', () => stats.ofSubscriptions(Reach.all, page.slice(0, 50), window)],
      ['100 subscriptions', () => stats.ofSubscriptions(Reach.all, page, window)],
      ['the 5 that fail most', () => stats.ofFailing(Reach.all, 5, window)],
    ] as const
  console.log('| answer | window | p50 ms | p99 ms |\n|---|---|---|---|')
  for (const window of windowNames) {
    for (const [name, ask] of asked(window)) {
      const took: number[] = []
      for (let index = 0; index < 101; index++) {
        const beganAt = performance.now()
        await ask(index * 97)
        if (index > 0) took.push(performance.now() - beganAt)
      }
      took.sort((a, b) => a - b)
      console.log(`| ${name} | ${window} | ${took[49]?.toFixed(1)} | ${took[98]?.toFixed(1)} |`)
    }
  }
}
