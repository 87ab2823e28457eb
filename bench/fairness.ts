// How much the backlog of one subscription delays a single event of another: `npm run bench:fairness`. README.md says
// what is measured.
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { Children } from './children.ts'
import { type Backlog, type Kind, kinds, makeBacklogs, makeSingles, setPaused } from './fairness-backlog.ts'
import { median, openWorld, pause, rounded, type World } from './growth-world.ts'
import { readMachine } from './report.ts'
import { type Ends, type Load, type PhaseResult, runPhase, startEnds } from './trial.ts'

/** The goal: at p99 an event is at most this much later. */
const delayMsMax = 50

/** Wait after a pause, until the attempts in flight have ended. */
const settleMs = 1000

interface Figure {
  readonly backlog: Kind
  /** The way of the single events: straight from ingest, or through a lane. */
  readonly way: string
  readonly alone_p50_ms: number
  readonly alone_p99_ms: number
  readonly beside_p50_ms: number
  readonly beside_p99_ms: number
  /** The median of the rounds' own differences. */
  readonly delay_p99_ms: number
  /** Requests at the receiver of the backlog, per second of what was measured beside it. */
  readonly backlog_per_s: number | null
  readonly missing: number
}

interface Run {
  readonly ends: Ends
  readonly world: World
  readonly load: Load
  readonly rounds: number
}

async function measure(run: Run, backlog: Backlog, way: string, path: string): Promise<Figure> {
  const { ends, world, load } = run
  const contender = { ...world.contender, path }
  // A subscription that is paused delivers nothing, so alone is then another one.
  const other = backlog.kind === 'own' ? world.contender : contender
  const rounds: { readonly alone: PhaseResult; readonly beside: PhaseResult }[] = []
  let requests = 0
  const measureAlone = () => runPhase(ends, other, load)
  const measureBeside = async () => {
    await setPaused(world, backlog, false)
    const before = backlog.requests() ?? 0
    const result = await runPhase(ends, contender, load)
    requests += (backlog.requests() ?? Number.NaN) - before
    await setPaused(world, backlog, true)
    await pause(settleMs)
    return result
  }
  for (let round = 0; round < run.rounds; round++) {
    // The order alternates, so that a machine that gets faster or slower favours neither.
    if (round % 2 === 0) rounds.push({ alone: await measureAlone(), beside: await measureBeside() })
    else {
      const beside = await measureBeside()
      rounds.push({ alone: await measureAlone(), beside })
    }
  }
  const of = (read: (round: (typeof rounds)[number]) => number) => rounded(median(rounds.map(read)) / 1e3, 2)
  return {
    backlog: backlog.kind,
    way,
    alone_p50_ms: of(({ alone }) => alone.latency.p50Us),
    alone_p99_ms: of(({ alone }) => alone.latency.p99Us),
    beside_p50_ms: of(({ beside }) => beside.latency.p50Us),
    beside_p99_ms: of(({ beside }) => beside.latency.p99Us),
    delay_p99_ms: of(({ alone, beside }) => beside.latency.p99Us - alone.latency.p99Us),
    backlog_per_s: Number.isNaN(requests) ? null : Math.round(requests / (run.rounds * load.seconds)),
    missing: rounds.reduce((sum, { alone, beside }) => sum + alone.missing + beside.missing, 0),
  }
}

function print(figures: readonly Figure[], options: object, outFile: string | undefined): void {
  const machine = readMachine()
  console.log(`${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, commit ${machine.commit}\n`)
  console.log('| backlog | way | alone p50 / p99, ms | beside p50 / p99, ms | later at p99, ms | backlog/s |')
  console.log('|---|---|---|---|---|---|')
  for (const one of figures) {
    console.log(
      `| ${one.backlog} | ${one.way} | ${one.alone_p50_ms} / ${one.alone_p99_ms} | ${one.beside_p50_ms} / ${one.beside_p99_ms} | ${one.delay_p99_ms} | ${one.backlog_per_s ?? ''} |`,
    )
  }
  const line = JSON.stringify({ machine, ...options, figures })
  console.log(`\n${line}`)
  if (outFile !== undefined) writeFileSync(outFile, `${line}\n`)
}

function kindsOf(names: readonly string[]): readonly Kind[] {
  const wrong = names.filter(name => !kinds.some(kind => kind === name))
  if (wrong.length > 0) throw new Error(`--only knows ${kinds.join(', ')}, not ${wrong.join(', ')}.`)
  return kinds.filter(kind => names.includes(kind))
}

async function main(): Promise<number> {
  const text = { type: 'string' } as const
  const { values } = parseArgs({
    options: {
      owed: { ...text, default: '1000000' },
      seconds: { ...text, default: '10' },
      rate: { ...text, default: '100' },
      rounds: { ...text, default: '5' },
      only: { ...text, multiple: true, default: [...kinds] },
      'circuit-failures': text,
      out: text,
    },
  })
  const [owed, rounds] = [Number(values.owed), Number(values.rounds)]
  const load = { seconds: Number(values.seconds), rate: Number(values.rate), size: 500, connections: 16 }
  const wanted = kindsOf(values.only)
  const circuitFailures = values['circuit-failures']
  const children = new Children()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
  try {
    const ends = await startEnds(children)
    const settings = circuitFailures === undefined ? {} : { CIRCUIT_FAILURES: circuitFailures }
    const world = await openWorld(children, ends.receiverPort, settings)
    const singles = await makeSingles(world, ends.receiverPort)
    const beganAt = performance.now()
    const backlogs = await makeBacklogs(world, ends.receiverPort, wanted, owed)
    console.error(`filled in ${Math.round((performance.now() - beganAt) / 1000)} s`)
    const run = { ends, world, load, rounds }
    for (const path of Object.values(singles))
      await runPhase(ends, { ...world.contender, path }, { ...load, seconds: 3 })
    const figures: Figure[] = []
    for (const backlog of backlogs) {
      const ways = backlog.kind === 'own' ? { hot: `/ingest/${backlog.subscriptionId}` } : singles
      for (const [way, path] of Object.entries(ways)) {
        const figure = await measure(run, backlog, way, path)
        console.error(JSON.stringify(figure))
        figures.push(figure)
      }
    }
    print(figures, { owed, rounds, ...load }, values.out)
    await world.close()
    const late = figures.filter(figure => figure.delay_p99_ms > delayMsMax || figure.missing > 0)
    for (const { backlog, way } of late) {
      console.error(`Beside the backlog "${backlog}" events on the way "${way}" are late or missing.`)
    }
    return late.length > 0 ? 1 : 0
  } finally {
    children.killAll()
  }
}

try {
  process.exit(await main())
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exit(2)
}
