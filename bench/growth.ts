// What an event costs as everything else grows: `npm run bench:growth`. README.md says what is measured.
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { Children } from './children.ts'
import { subscribe } from './contenders.ts'
import { explainAll } from './growth-explain.ts'
import { watchMemory } from './growth-memory.ts'
import { grow, type Part, parts, sizesOf } from './growth-parts.ts'
import { median, rounded, type World } from './growth-world.ts'
import { readMachine } from './report.ts'
import { type Ends, type PhaseResult, runPhase, startEnds } from './trial.ts'

const USAGE = `npm run bench:growth -- [options]
  --only PART      ${[...parts, 'memory'].join(', ')}; may be given more than once (all)
  --rounds N       rounds, the sizes in turn (6)        --sizes A,B,…    instead of the part's own
  --seconds N      at the steady rate, per round (8)    --rate N         events/s of it (300)
  --full N         seconds at full load, per round (5); 0 leaves it out
  --connections N  of the sender, and attempts that the receiver may have in flight (64)
  --rows N         rows of the larger log (20,000,000)  --minutes N      of the part memory (30)
  --lane           the events go through their lane, as those with a rate limit do, not straight from ingest
  --explain        the page of plans: statements of the path beside the largest of everything, as Markdown
  --plans          with --explain: the whole plans, too
  --out FILE       write the JSON line to it as well`

interface Options {
  readonly rounds: number
  readonly seconds: number
  readonly full: number
  readonly rate: number
  readonly connections: number
  readonly rows: number
  readonly minutes: number
  readonly sizes: readonly number[] | undefined
  readonly lane: boolean
}

/** One round of one size. */
interface Sample {
  readonly steady: PhaseResult
  readonly full: PhaseResult | undefined
}

const size = 500
/** What the subscription of a world that has just been made is for. */
const usualConnections = 64

async function measure(ends: Ends, world: World, options: Options): Promise<Sample> {
  const { contender } = world
  const { seconds, full, rate, connections } = options
  const steady = await runPhase(ends, contender, { seconds, rate, size, connections })
  if (full === 0) return { steady, full: undefined }
  return { steady, full: await runPhase(ends, contender, { seconds: full, rate: 0, size, connections }) }
}

async function comparePart(
  children: Children,
  ends: Ends & { receiverPort: number },
  part: Part,
  options: Options,
) {
  const sizes = options.sizes ?? sizesOf(part, options.rows)
  const worlds: World[] = []
  try {
    for (const one of sizes) {
      const beganAt = performance.now()
      const world = await grow(children, ends.receiverPort, part, one)
      worlds.push(await withOptions(world, ends.receiverPort, options))
      console.error(`${part} ${one}: ready after ${Math.round((performance.now() - beganAt) / 1000)} s`)
    }
    for (const world of worlds)
      await measure(ends, world, { ...options, seconds: 3, full: Math.min(options.full, 3) })
    const samples: Sample[][] = sizes.map(() => [])
    for (let round = 0; round < options.rounds; round++) {
      // Up and down in turn, so that a machine that gets faster or slower favours no size.
      const order = [...worlds.entries()]
      for (const [index, world] of round % 2 === 0 ? order : order.reverse()) {
        const sample = await measure(ends, world, options)
        samples[index]?.push(sample)
        console.error(`${part} ${sizes[index]}, round ${round + 1}: ${JSON.stringify(figuresOf([sample]))}`)
      }
    }
    return { part, figures: sizes.map((one, index) => report(one, samples[index] ?? [], samples[0] ?? [])) }
  } finally {
    for (const world of worlds) await world.close()
  }
}

/**
 * The same, with events to a subscription that suits the options. For `lane` one with a rate limit that it never reaches:
 * whatever has one goes through its lane.
 */
async function withOptions(
  world: World,
  receiverPort: number,
  { lane, connections }: Options,
): Promise<World> {
  if (!lane && connections === usualConnections) return world
  const path = await subscribe(world.contender.port, {
    target_url: `http://127.0.0.1:${receiverPort}/`,
    max_in_flight: connections,
    ...(lane && { rate_limit: { requests: 10_000, per_seconds: 1 } }),
  })
  return { ...world, contender: { ...world.contender, path } }
}

type Read = (sample: Sample) => number
const reads: Readonly<Record<string, Read>> = {
  p50_ms: ({ steady }) => steady.latency.p50Us / 1e3,
  p99_ms: ({ steady }) => steady.latency.p99Us / 1e3,
  steady_cpu_us: ({ steady }) => cpuOf(steady),
  cpu_us: ({ full }) => cpuOf(full),
  cpu_node_us: ({ full }) => full?.cpu?.ownUs ?? Number.NaN,
  cpu_postgres_us: ({ full }) => full?.cpu?.postgresUs ?? Number.NaN,
  delivered_per_s: ({ full }) => full?.deliveredPerSecond ?? Number.NaN,
}

function cpuOf(phase: PhaseResult | undefined): number {
  return (phase?.cpu?.ownUs ?? Number.NaN) + (phase?.cpu?.postgresUs ?? Number.NaN)
}

function figuresOf(samples: readonly Sample[]): Readonly<Record<string, number>> {
  const entries = Object.entries(reads).map(([name, read]) => [name, rounded(median(samples.map(read)), 2)])
  return Object.fromEntries(entries)
}

function report(one: number, samples: readonly Sample[], smallest: readonly Sample[]) {
  // The median of each round's own ratio: measurements close in time share the same noise.
  const ratioOf = (read: Read) =>
    rounded(median(samples.map((sample, round) => read(sample) / read(smallest[round] ?? sample))), 2)
  return {
    size: one,
    ...figuresOf(samples),
    ratios: Object.fromEntries(Object.entries(reads).map(([name, read]) => [name, ratioOf(read)])),
    // Whether it degrades while it runs: the last third of the rounds ÷ the first.
    drift: {
      p50_ms: driftOf(samples.map(sample => sample.steady.latency.p50Us)),
      cpu_us: driftOf(samples.map(({ full, steady }) => cpuOf(full ?? steady))),
    },
    missing: samples.reduce((sum, { steady, full }) => sum + steady.missing + (full?.missing ?? 0), 0),
  }
}

function driftOf(values: readonly number[]): number {
  const third = Math.max(1, Math.floor(values.length / 3))
  return rounded(median(values.slice(-third)) / median(values.slice(0, third)), 2)
}

type Compared = Awaited<ReturnType<typeof comparePart>>

function print({ part, figures }: Compared): void {
  const names = Object.keys(reads)
  console.log(`\n### ${part}\n\n| | ${figures.map(one => one.size.toLocaleString('en')).join(' | ')} |`)
  console.log(`|---|${figures.map(() => '---').join('|')}|`)
  for (const name of names) {
    const cells = figures.map(
      one => `${(one as unknown as Record<string, number>)[name]} (×${one.ratios[name]})`,
    )
    console.log(`| ${name} | ${cells.join(' | ')} |`)
  }
  console.log(`| last ÷ first third, p50 | ${figures.map(one => one.drift.p50_ms).join(' | ')} |`)
  console.log(`| last ÷ first third, CPU | ${figures.map(one => one.drift.cpu_us).join(' | ')} |`)
  console.log(`| missing | ${figures.map(one => one.missing).join(' | ')} |`)
}

function readOptions() {
  const text = { type: 'string' } as const
  const { values } = parseArgs({
    options: {
      only: { ...text, multiple: true, default: [...parts, 'memory'] },
      rounds: { ...text, default: '6' },
      seconds: { ...text, default: '8' },
      full: { ...text, default: '5' },
      rate: { ...text, default: '300' },
      connections: { ...text, default: String(usualConnections) },
      rows: { ...text, default: '20000000' },
      minutes: { ...text, default: '30' },
      sizes: text,
      lane: { type: 'boolean', default: false },
      explain: { type: 'boolean', default: false },
      plans: { type: 'boolean', default: false },
      out: text,
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  const wrong = values.only.filter(name => name !== 'memory' && !parts.some(part => part === name))
  if (values.help || wrong.length > 0)
    throw new Error(wrong.length > 0 ? `No such part: ${wrong.join(', ')}.` : '')
  const options: Options = {
    rounds: Number(values.rounds),
    seconds: Number(values.seconds),
    full: Number(values.full),
    rate: Number(values.rate),
    connections: Number(values.connections),
    rows: Number(values.rows),
    minutes: Number(values.minutes),
    sizes: values.sizes?.split(',').map(Number),
    lane: values.lane,
  }
  return {
    options,
    only: new Set(values.only),
    explain: values.explain,
    plans: values.plans,
    outFile: values.out,
  }
}

/** Runs all parts that are asked for. Prints the results after each part, because a run takes long. */
async function runParts(
  children: Children,
  ends: Ends & { receiverPort: number },
  only: ReadonlySet<string>,
  options: Options,
  outFile: string | undefined,
): Promise<number> {
  const compared: Compared[] = []
  const failed: string[] = []
  let memory: Awaited<ReturnType<typeof watchMemory>> | undefined
  const lineOf = () => JSON.stringify({ machine: readMachine(), ...options, compared, memory, failed })
  for (const part of [...parts, 'memory' as const].filter(name => only.has(name))) {
    try {
      if (part === 'memory') memory = await watchMemory(children, ends, options)
      else {
        const one = await comparePart(children, ends, part, options)
        print(one)
        compared.push(one)
      }
    } catch (error) {
      console.error(`${part} failed: ${error instanceof Error ? error.message : error}`)
      failed.push(part)
    }
    if (outFile !== undefined) writeFileSync(outFile, `${lineOf()}\n`)
  }
  console.log(`\n${lineOf()}`)
  const missing = compared.some(({ figures }) => figures.some(one => one.missing > 0))
  return failed.length > 0 ? 2 : missing ? 1 : 0
}

async function main(): Promise<number> {
  let asked: ReturnType<typeof readOptions>
  try {
    asked = readOptions()
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${USAGE}`)
    return 2
  }
  const { options, only, explain, plans, outFile } = asked
  const children = new Children()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
  try {
    const ends = await startEnds(children)
    if (explain) {
      console.log(await explainAll(children, ends.receiverPort, options.sizes, options.rows, plans))
      return 0
    }
    return await runParts(children, ends, only, options, outFile)
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
