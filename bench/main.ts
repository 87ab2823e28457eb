// The benchmark: `npm run bench`. README.md says what the figures mean.
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { Children } from './children.ts'
import { CONTENDERS, type Contender, type ContenderName, startContender, USUAL } from './contenders.ts'
import { formatProfile, profileFlags } from './profile.ts'
import { costRatioOf, formatTable, type Rounds, ratioOf, readMachine, summarise } from './report.ts'
import { type Ends, type Load, type PhaseResult, runPhase, startEnds, type TrialResult } from './trial.ts'

const USAGE = `npm run bench -- [options]
  --seconds N       full load, per round (10)      --rounds N       rounds, medians are printed (3)
  --warm-up N       seconds before it (3)          --connections N  each with one request at a time (64)
  --steady N        seconds at a steady rate (8)   --rate N         events/s of the steady rate (500)
  --size N          bytes of a payload (500)       --in-flight N    max_in_flight of the subscription (64)
  --only NAME       floor, service, default, naive (these are the usual ones), durable, lane, watched or
                    crowded; may be given more than once
  --profile         where the service's time goes (or that of the one named by --only)
  --json            print the JSON line alone      --out FILE       write it to a file as well`

interface Options {
  readonly seconds: number
  readonly warmUpSeconds: number
  readonly steadySeconds: number
  readonly rate: number
  readonly rounds: number
  readonly connections: number
  readonly size: number
  readonly maxInFlight: number
  readonly names: readonly ContenderName[]
  readonly profile: boolean
  readonly jsonOnly: boolean
  readonly outFile: string | undefined
}

function readOptions(): Options {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean', default: false } as const
  const { values } = parseArgs({
    options: {
      seconds: { ...text, default: '10' },
      'warm-up': { ...text, default: '3' },
      steady: { ...text, default: '8' },
      rate: { ...text, default: '500' },
      rounds: { ...text, default: '3' },
      connections: { ...text, default: '64' },
      size: { ...text, default: '500' },
      'in-flight': text,
      only: { ...text, multiple: true, default: [...USUAL] },
      profile: flag,
      json: flag,
      out: text,
      help: { ...flag, short: 'h' },
    },
  })
  // Asking for the usage is answered like an unknown option: with the usage.
  if (values.help) throw new Error('The benchmark. bench/README.md says what its figures mean.')
  return {
    seconds: numberOf('seconds', values.seconds, 1, 3_600),
    warmUpSeconds: numberOf('warm-up', values['warm-up'], 0, 600),
    steadySeconds: numberOf('steady', values.steady, 0, 3_600),
    rate: numberOf('rate', values.rate, 1, 50_000),
    rounds: numberOf('rounds', values.rounds, 1, 50),
    connections: numberOf('connections', values.connections, 1, 4_096),
    size: numberOf('size', values.size, 100, 1_048_576),
    // As many as the floor has sockets.
    maxInFlight: numberOf('in-flight', values['in-flight'] ?? '64', 1, 10_000),
    names: namesOf(values.only),
    profile: values.profile,
    jsonOnly: values.json,
    outFile: values.out,
  }
}

function namesOf(only: readonly string[]): readonly ContenderName[] {
  const wrong = only.filter(name => !CONTENDERS.some(known => known === name))
  if (wrong.length > 0) throw new Error(`--only knows ${CONTENDERS.join(', ')}, not ${wrong.join(', ')}.`)
  return CONTENDERS.filter(name => only.includes(name))
}

function numberOf(name: string, text: string, min: number, max: number): number {
  const value = Number(text)
  if (value >= min && value <= max) return value
  throw new Error(`--${name} is a number from ${min} to ${max}, not "${text}".`)
}

/** Runs one contender with a new database and new ends, so that no contender affects the next. */
async function runTrial(children: Children, name: ContenderName, options: Options): Promise<TrialResult> {
  const ends = await startEnds(children)
  const profiled = options.profile && (name === 'service' || options.names.length === 1)
  const profileDirectory = await children.path(`profile-${name}`)
  const contender = await startContender(name, {
    children,
    receiverPort: ends.receiverPort,
    nodeFlags: profiled ? profileFlags(profileDirectory) : [],
    subscription: subscriptionOf(name, options),
  })
  const { connections, size } = options
  const load = { connections, size, rate: 0 }
  if (options.warmUpSeconds > 0) await warmUp(ends, contender, { ...load, seconds: options.warmUpSeconds })
  // The naive design's latency at a steady rate says little: it is the disk's.
  const isSteady = options.steadySeconds > 0 && name !== 'naive'
  const steadyLoad = { ...load, seconds: options.steadySeconds, rate: options.rate }
  // First, so that as little as can be of what a full load leaves to be done (pages to be written, rows to be cleaned up and
  // rolled up) is done in this phase.
  const steady = isSteady ? await runPhase(ends, contender, steadyLoad) : undefined
  const full = await runPhase(ends, contender, { ...load, seconds: options.seconds })
  const memory = contender.meter.memory()
  await contender.stop()
  await children.stop(ends.generator)
  await children.stop(ends.receiver)
  if (profiled && steady) console.error(formatProfile(profileDirectory, steady, 'at the steady rate'))
  if (profiled) console.error(formatProfile(profileDirectory, full, 'at full load'))
  return { full, steady, memory }
}

/** The members of the subscription that events are sent to. */
function subscriptionOf(name: ContenderName, { maxInFlight }: Options): Readonly<Record<string, unknown>> {
  if (name === 'default') return {}
  if (name !== 'lane') return { max_in_flight: maxInFlight }
  // A rate limit that is never reached: all of its deliveries go through the lane.
  return { max_in_flight: maxInFlight, rate_limit: { requests: 10_000, per_seconds: 1 } }
}

/** Warms up. Its figures are not used, but losses count. */
async function warmUp(ends: Ends, contender: Contender, load: Load): Promise<void> {
  const { missing } = await runPhase(ends, contender, load)
  if (missing > 0) throw new Error(`${contender.name} lost ${missing} accepted events while warming up.`)
}

async function runRounds(children: Children, options: Options): Promise<Rounds> {
  const rounds: Partial<Record<ContenderName, TrialResult[]>> = {}
  for (let round = 1; round <= options.rounds; round++) {
    for (const name of options.names) {
      const trial = await runTrial(children, name, options)
      rounds[name] = [...(rounds[name] ?? []), trial]
      console.error(`round ${round}/${options.rounds}  ${name.padEnd(8)} ${progressOf(trial.full)}`)
    }
  }
  return rounds
}

function progressOf(full: PhaseResult): string {
  const refused = Object.keys(full.refused).length > 0 ? ` refused ${JSON.stringify(full.refused)}` : ''
  return `${Math.round(full.deliveredPerSecond)} delivered/s, ${full.missing} missing${refused}`
}

function print(rounds: Rounds, options: Options): void {
  const machine = readMachine()
  const summary = summarise(rounds)
  const ratios = {
    service_to_floor: ratioOf(rounds, 'service', 'floor'),
    service_to_durable: ratioOf(rounds, 'service', 'durable'),
    default_to_floor: ratioOf(rounds, 'default', 'floor'),
    default_to_service: ratioOf(rounds, 'default', 'service'),
    service_to_naive: ratioOf(rounds, 'service', 'naive'),
    watched_to_service: ratioOf(rounds, 'watched', 'service'),
    crowded_to_service: ratioOf(rounds, 'crowded', 'service'),
    lane_cpu_own: costRatioOf(rounds, 'lane', 'service', 'ownUs'),
    lane_cpu_postgres: costRatioOf(rounds, 'lane', 'service', 'postgresUs'),
  }
  const { size, connections, seconds, rate } = options
  const line = JSON.stringify({
    machine,
    load: { size, connections, seconds, rate, rounds: options.rounds },
    ...summary,
    ratios,
  })
  if (!options.jsonOnly) {
    console.log(`${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, commit ${machine.commit}`)
    console.log(
      `${size} bytes, ${connections} connections, ${seconds} s, medians of ${options.rounds} rounds\n`,
    )
    console.log(formatTable(summary))
    console.log(`\nservice ÷ floor    ${ratios.service_to_floor?.toFixed(3) ?? 'n/a'}`)
    console.log(`service ÷ durable  ${ratios.service_to_durable?.toFixed(3) ?? 'n/a'}`)
    console.log(`default ÷ floor    ${ratios.default_to_floor?.toFixed(3) ?? 'n/a'}`)
    console.log(`default ÷ service  ${ratios.default_to_service?.toFixed(3) ?? 'n/a'}`)
    console.log(`service ÷ naive    ${ratios.service_to_naive?.toFixed(2) ?? 'n/a'}`)
    console.log(`watched ÷ service  ${ratios.watched_to_service?.toFixed(3) ?? 'n/a'}`)
    console.log(`crowded ÷ service  ${ratios.crowded_to_service?.toFixed(3) ?? 'n/a'}`)
    const costs = [ratios.lane_cpu_own, ratios.lane_cpu_postgres].map(ratio => ratio?.toFixed(2) ?? 'n/a')
    console.log(`CPU/event, lane ÷ service: Node ${costs[0]}, PostgreSQL ${costs[1]}\n`)
  }
  console.log(line)
  if (options.outFile !== undefined) writeFileSync(options.outFile, `${line}\n`)
}

function missingIn(rounds: Rounds): number {
  const trials = Object.values(rounds).flat()
  return trials.reduce((sum, { full, steady }) => sum + full.missing + (steady?.missing ?? 0), 0)
}

async function main(): Promise<number> {
  let options: Options
  try {
    options = readOptions()
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${USAGE}`)
    return 2
  }
  const children = new Children()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    // The exit handler of `Children` kills all processes and removes the directory.
    process.once(signal, () => process.exit(130))
  }
  try {
    const rounds = await runRounds(children, options)
    print(rounds, options)
    const missing = missingIn(rounds)
    if (missing > 0) console.error(`${missing} accepted events were not received within a minute.`)
    return missing > 0 ? 1 : 0
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
