// Statements of overload.ts on the database of the service.
import { audit } from '../src/monitor/audit.ts'
import { startEmbeddedPostgres } from '../src/platform/embedded-postgres/embedded-postgres.ts'
import { Database } from '../src/platform/postgres.ts'

const queryTimeoutMs = 120_000

/** What the database knows of all events, those of the measurement of capacity too. */
export interface Truth {
  /** Events that have neither a final attempt nor an owed row (`webhooks audit`): lost. */
  readonly auditMissing: number
  readonly owed: number
  /** Attempts at deliveries that had been attempted before, by their number or by a second row of the same number. */
  readonly repeats: number
  readonly deliveries: readonly DeliveredSecond[]
}

/** Deliveries of the events that got their ids in one second: from then to the end of the attempt. */
export interface DeliveredSecond {
  /** Which of the seconds, from 0. */
  readonly index: number
  readonly p50Ms: number
  readonly p99Ms: number
}

/** Sets `commit_delay` of PostgreSQL, so that the database is the bottleneck and not the cores. */
export async function slowCommits(dataDir: string, commitMs: number): Promise<void> {
  await withDatabase(dataDir, async database => {
    await database.query({ text: `alter system set commit_delay = ${Math.round(commitMs * 1000)}` })
    await database.query({ text: 'alter system set commit_siblings = 0' })
    await database.query({ text: 'select pg_reload_conf()' })
  })
}

/**
 * Reads the figures when nothing is owed any more, or after a minute.
 *
 * @param secondsAt when each second began, Unix seconds with a fraction
 */
export function readTruth(dataDir: string, secondsAt: readonly number[]): Promise<Truth> {
  return withDatabase(dataDir, async database => {
    let report = await audit(database)
    for (let waits = 0; report.owed > 0 && waits < 30; waits++) {
      await new Promise(resolve => setTimeout(resolve, 2000))
      report = await audit(database)
    }
    const { rows } = await database.query<{ repeats: number }>({
      text: 'select (count(*) - count(distinct (webhook_id, subscription_id)))::float8 as repeats from delivery_logs',
    })
    const deliveries = await readDeliveries(database, secondsAt)
    return { auditMissing: report.missing, owed: report.owed, repeats: rows[0]?.repeats ?? 0, deliveries }
  })
}

async function readDeliveries(
  database: Database,
  secondsAt: readonly number[],
): Promise<readonly DeliveredSecond[]> {
  const { rows } = await database.query<DeliveredSecond>({
    text: `
      select second - 1 as index, percentile_disc(0.5) within group (order by ms)::float8 as "p50Ms",
             percentile_disc(0.99) within group (order by ms)::float8 as "p99Ms"
      from (select width_bucket(extract(epoch from accepted_at)::float8, $1::float8[]) as second,
                   round(1000 * extract(epoch from "timestamp" - accepted_at)) as ms
            from delivery_logs, uuid_extract_timestamp(webhook_id) as accepted_at where verdict <> 'retry') d
      where second > 0 group by second`,
    values: [secondsAt],
  })
  return rows
}

async function withDatabase<Result>(
  dataDir: string,
  work: (database: Database) => Promise<Result>,
): Promise<Result> {
  const postgres = await startEmbeddedPostgres({ dataDir, log: () => {} })
  const { connection } = postgres
  const database = new Database({ connection, poolSize: 1, queryTimeoutMs, connectTimeoutMs: 5000 })
  try {
    return await work(database)
  } finally {
    await database.close()
    await postgres.stop() // the service still uses it, so it runs on
  }
}
