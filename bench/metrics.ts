// What the figures for Prometheus cost: `npm run bench:metrics`. README.md says what is measured.
import { parseArgs } from 'node:util'
import { noNumbers } from '../src/metrics/figures.ts'
import { Metrics } from '../src/metrics/metrics.ts'
import { PathFigures } from '../src/metrics/path-figures.ts'
import type { AcceptedEvent } from '../src/model/path-facts.ts'
import type { Settlement } from '../src/model/settlement.ts'
import type { Uuid } from '../src/platform/id.ts'
import { Children } from './children.ts'
import { openWorld, pause, rounded, type World } from './growth-world.ts'
import { readMachine } from './report.ts'
import { type Ends, runPhase, startEnds } from './trial.ts'

const size = 500
const connections = 64
/** The goal: of an event's CPU time in Node, at full load. */
const percentMax = 1

/** What one event costs under a load, and how its statements are counted. */
interface Path {
  readonly perSecond: number
  readonly nodeUs: number
  readonly postgresUs: number
  readonly missing: number
  /** Events that one transaction makes durable, and statements for each event, those of the log and of lanes included. */
  readonly together: number
  readonly statements: number
}

/** CPU time of one answer to `GET /metrics`, in microseconds. */
interface Scrape {
  readonly nodeUs: number
  readonly postgresUs: number
}

async function measurePath(ends: Ends, world: World, seconds: number, rate: number): Promise<Path> {
  const load = { size, connections, rate }
  await runPhase(ends, world.contender, { ...load, seconds: 2 })
  const before = await readStatements(world)
  const phase = await runPhase(ends, world.contender, { ...load, seconds })
  const after = await readStatements(world)
  return {
    perSecond: phase.deliveredPerSecond,
    nodeUs: phase.cpu?.ownUs ?? Number.NaN,
    postgresUs: phase.cpu?.postgresUs ?? Number.NaN,
    missing: phase.missing,
    together: phase.delivered / (after.ingest - before.ingest),
    statements: (after.all - before.all) / phase.delivered,
  }
}

/** The statements so far, by the figures themselves. */
async function readStatements({
  contender,
}: World): Promise<{ readonly ingest: number; readonly all: number }> {
  const answer = await fetch(`http://127.0.0.1:${contender.port}/metrics`)
  const text = await answer.text()
  const counts = [...text.matchAll(/^db_query_duration_seconds_count\{connection="([^"]+)"\} (\d+)/gm)]
  const sum = (of: readonly RegExpMatchArray[]) => of.reduce((total, [, , count]) => total + Number(count), 0)
  return { all: sum(counts), ingest: sum(counts.filter(([, use]) => use === 'ingest')) }
}

const someId = '01890000-0000-7000-8000-000000000000' as Uuid // canonical as it stands

const eventOf = (index: number): AcceptedEvent => ({
  event: {
    ...{ webhookId: someId, tenant: 'default', eventType: null },
    ...{ payload: Buffer.alloc(0), subscriptionIds: [1] },
  },
  owed: [{ owner: 1 }],
  since: performance.now() - (index % 7),
})

const settlementOf = (index: number): Settlement => ({
  kind: 'attempted',
  delivery: {
    ...{
      webhookId: someId,
      subscriptionId: 1,
      attempt: 1,
      attemptsBefore: 0,
    },
    ...{ since: Date.now() - (index % 50), sizeBytes: size, dueAt: 0, content: null, lane: null },
  },
  outcome: { kind: 'accepted', httpStatus: 204, durationMs: 1 + (index % 20) },
  verdict: { kind: 'delivered' },
  at: Date.now(),
})

/** Nanoseconds that counting takes for one event which arrives with others and is delivered at the first attempt. */
function countingNs({ together, statements }: Path): number {
  const figures = new PathFigures(noNumbers(), () => 1)
  const batch = Math.max(1, Math.round(together))
  const events = Array.from({ length: batch }, (_, index) => eventOf(index))
  const settlements = Array.from({ length: batch }, (_, index) => settlementOf(index))
  const queries = Math.max(1, Math.round(statements * batch))
  const rounds = Math.ceil(1_000_000 / batch)
  let best = Number.POSITIVE_INFINITY
  for (let run = 0; run < 5; run++) {
    const before = process.cpuUsage()
    for (let round = 0; round < rounds; round++) {
      figures.accepted(events)
      figures.settled(settlements)
      for (let query = 0; query < queries; query++) {
        const sentAt = performance.now() // as the connection reads the clock for it
        figures.queried(query % 2 === 0 ? 'ingest-1' : 'log', performance.now() - sentAt + (query % 10))
      }
    }
    const { user, system } = process.cpuUsage(before)
    best = Math.min(best, ((user + system) * 1000) / (rounds * batch))
  }
  return best
}

/** Each of a new object, as the figures of the installation are read at most every two seconds by one. */
async function measureScrape({ database, contender }: World, times: number): Promise<Scrape> {
  const scrape = async () => {
    const metrics = new Metrics({ database })
    await metrics.expose()
    await metrics.close()
  }
  for (let index = 0; index < times / 4; index++) await scrape()
  const postgresUs = () => contender.meter.cpu()?.postgresUs ?? Number.NaN
  const [before, postgresBefore] = [process.cpuUsage(), postgresUs()]
  for (let index = 0; index < times; index++) await scrape()
  const { user, system } = process.cpuUsage(before)
  return { nodeUs: (user + system) / times, postgresUs: (postgresUs() - postgresBefore) / times }
}

/** Microseconds of CPU time in a second of this process, which does nothing, with and without a watch of the event loop. */
async function measureWatch(seconds: number): Promise<number> {
  const idleUs = async () => {
    const before = process.cpuUsage()
    await pause(seconds * 1000)
    const { user, system } = process.cpuUsage(before)
    return (user + system) / seconds
  }
  const alone = await idleUs()
  const metrics = new Metrics({ database: { query: async () => ({ rows: [], rowCount: 0 }) } as never })
  await metrics.expose()
  const watched = await idleUs()
  await metrics.close()
  return Math.max(0, watched - alone)
}

async function main(): Promise<number> {
  const text = { type: 'string' } as const
  const { values } = parseArgs({
    options: {
      seconds: { ...text, default: '5' },
      rate: { ...text, default: '200' },
      every: { ...text, default: '5' },
      scrapes: { ...text, default: '200' },
    },
  })
  const [seconds, rate, every] = [Number(values.seconds), Number(values.rate), Number(values.every)]
  const children = new Children()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
  try {
    const ends = await startEnds(children)
    const world = await openWorld(children, ends.receiverPort)
    const paths = [await measurePath(ends, world, seconds, 0), await measurePath(ends, world, seconds, rate)]
    const scrape = await measureScrape(world, Number(values.scrapes))
    await world.close()
    const watchUs = await measureWatch(seconds)
    const results = paths.map(path => {
      const counting = countingNs(path)
      const events = every * path.perSecond
      const shown = (us: number) => (100 * us) / path.nodeUs
      return {
        'events/s': Math.round(path.perSecond),
        'CPU/event, Node, µs': rounded(path.nodeUs, 1),
        'CPU/event, PostgreSQL, µs': rounded(path.postgresUs, 1),
        'events in a transaction': rounded(path.together, 1),
        'statements/event': rounded(path.statements, 2),
        'counting, ns/event': Math.round(counting),
        'counting, %': rounded(shown(counting / 1000)),
        [`a scrape every ${every} s, %`]: rounded(shown(scrape.nodeUs / events)),
        'watching the event loop, %': rounded(shown((watchUs * every) / events)),
        'all in Node, %': rounded(shown(counting / 1000 + (scrape.nodeUs + watchUs * every) / events)),
        'all in PostgreSQL, %': rounded((100 * scrape.postgresUs) / events / path.postgresUs),
        missing: path.missing,
      }
    })
    const machine = readMachine()
    console.log(`${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, commit ${machine.commit}`)
    console.log(
      `an answer to GET /metrics: ${Math.round(scrape.nodeUs)} µs of Node, ${Math.round(scrape.postgresUs)} of PostgreSQL\n`,
    )
    console.log(`| | full load | ${rate}/s |\n|---|---|---|`)
    const [full, steady] = results
    for (const name of Object.keys(full ?? {}) as (keyof typeof full)[])
      console.log(`| ${name} | ${full?.[name]} | ${steady?.[name]} |`)
    console.log(`\n${JSON.stringify({ machine, scrape, watchUs, full, steady })}`)
    return (full?.['all in Node, %'] ?? 0) <= percentMax && full?.missing === 0 ? 0 : 1
  } finally {
    children.killAll()
  }
}

process.exit(await main())
