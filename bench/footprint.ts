// What an event leaves on disk: `npm run bench:footprint`. README.md says what is measured.
import type { Database } from '../src/platform/postgres.ts'
import { Children } from './children.ts'
import { openWorld, rounded, settle, type World } from './growth-world.ts'
import { readMachine } from './report.ts'
import { type Ends, runPhase, startEnds } from './trial.ts'

const seconds = 8
const size = 500
const connections = 64

interface Reading {
  readonly wal: number
  readonly commits: number
}

async function read(database: Database): Promise<Reading> {
  const { rows } = await database.query<Reading>({
    text: `
      select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8 as wal,
             (select xact_commit::float8 from pg_stat_database where datname = current_database()) as commits`,
  })
  const [reading] = rows
  if (!reading) throw new Error('a query without FROM returned no row')
  return reading
}

/** Bytes of the rows that are kept, indexes included, after dead rows were removed. */
async function sizesOf(database: Database): Promise<Readonly<Record<string, number>>> {
  await settle(database, ['events', 'delivery_logs', 'owed'])
  const { rows } = await database.query<{ name: string; bytes: number }>({
    text: `
      select r.name, (select coalesce(sum(pg_total_relation_size(relid)), 0)::float8 from pg_partition_tree(r.name::regclass)) as bytes
      from unnest(array['events', 'delivery_logs', 'owed']) as r (name)`,
  })
  return Object.fromEntries(rows.map(({ name, bytes }) => [name, bytes]))
}

async function measure(ends: Ends, world: World, rate: number) {
  const { contender, database } = world
  await runPhase(ends, contender, { seconds: 2, rate, size, connections })
  await database.query({ text: 'checkpoint' }) // so that each run logs the same number of whole pages
  const sizesBefore = await sizesOf(database)
  const before = await read(database)
  const { delivered, missing } = await runPhase(ends, contender, { seconds, rate, size, connections })
  const after = await read(database)
  const sizesAfter = await sizesOf(database)
  const each = (bytes: number) => rounded(bytes / delivered, 1)
  const kept = (name: string) => each((sizesAfter[name] ?? 0) - (sizesBefore[name] ?? 0))
  return {
    load: rate === 0 ? 'full load' : `${rate}/s`,
    events: delivered,
    missing,
    wal_bytes: each(after.wal - before.wal),
    commits: rounded((after.commits - before.commits) / delivered, 3),
    events_bytes: kept('events'),
    log_bytes: kept('delivery_logs'),
    owed_bytes: kept('owed'),
  }
}

const children = new Children()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
try {
  const ends = await startEnds(children)
  const world = await openWorld(children, ends.receiverPort)
  try {
    const results = [await measure(ends, world, 0), await measure(ends, world, 500)]
    const columns = Object.keys(results[0] ?? {})
    console.log(`Per event of ${size} bytes, one delivery each\n`)
    console.log(`| ${columns.join(' | ')} |\n|${columns.map(() => '---').join('|')}|`)
    for (const result of results) console.log(`| ${Object.values(result).join(' | ')} |`)
    console.log(`\n${JSON.stringify({ machine: readMachine(), size, seconds, results })}`)
    process.exitCode = results.some(({ missing }) => missing > 0) ? 1 : 0
  } finally {
    await world.close()
  }
} finally {
  children.killAll()
}
process.exit()
