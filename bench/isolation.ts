// How much a healthy receiver notices of two bad ones: `npm run bench:isolation`. README.md says what is measured.
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { startEmbeddedPostgres } from '../src/platform/embedded-postgres/embedded-postgres.ts'
import { Database } from '../src/platform/postgres.ts'
import { Children } from './children.ts'
import { type Contender, startContender, subscribe } from './contenders.ts'
import { readMachine } from './report.ts'
import { type Ends, type Load, type PhaseResult, runPhase, startEnds } from './trial.ts'

/** One phase alone and one beside the bad receivers, right after each other. */
interface Round {
  readonly alone: PhaseResult
  readonly beside: PhaseResult
  /** Attempts at the bad receivers that ended while the second was measured. */
  readonly badAttempts: number
}

/** A healthy subscription (that of the contender) and the two bad ones, with the database below them. */
interface World {
  readonly ends: Ends
  readonly contender: Contender
  readonly bad: readonly number[]
  readonly database: Database
  readonly load: Load
  /** The bad ones were resumed some time before the measurement, not just then. */
  readonly settled: boolean
}

const warmUpSeconds = 4
/** After pausing and resuming, so that what ends then is not measured: a hanging attempt takes no longer here. */
const settleMs = 1500
const hangMs = 1000

async function runRounds(world: World, rounds: number): Promise<readonly Round[]> {
  const done: Round[] = []
  for (let number = 1; number <= rounds; number++) {
    // The order alternates, so that a machine that gets faster or slower favours neither.
    const isAloneFirst = number % 2 === 1
    const before = isAloneFirst ? await measureAlone(world) : undefined
    const [beside, badAttempts] = await measureBeside(world)
    const round = { alone: before ?? (await measureAlone(world)), beside, badAttempts }
    done.push(round)
    console.error(`round ${number}/${rounds}  ${lineOf(round)}`)
  }
  return done
}

async function measureAlone({ ends, contender, bad, load }: World): Promise<PhaseResult> {
  for (const id of bad) await post(contender, `/subscriptions/${id}/pause`)
  await pause(settleMs)
  return runPhase(ends, contender, load)
}

/** Begins when the bad ones are resumed: they cost most before the service knows that they fail. */
async function measureBeside(world: World): Promise<readonly [PhaseResult, number]> {
  const { ends, contender, bad, load } = world
  const before = await attemptsAt(world)
  for (const id of bad) await post(contender, `/subscriptions/${id}/resume`)
  if (world.settled) await pause(settleMs)
  const result = await runPhase(ends, contender, load)
  return [result, (await attemptsAt(world)) - before]
}

/** Makes the bad subscriptions with their backlogs, by SQL: publishing them would take minutes. */
async function fill(contender: Contender, database: Database, urls: readonly string[], backlog: number) {
  const bad: number[] = []
  for (const target_url of urls) {
    const path = await subscribe(contender.port, { target_url, paused: true, timeout_ms: hangMs })
    bad.push(Number(path.split('/').at(-1)))
  }
  await database.query({
    text: `
      with e as (
        insert into events (webhook_id, tenant, content_type, payload, subscription_ids)
        select uuidv7(), 'default', 'application/json', convert_to('"' || repeat('x', 498) || '"', 'UTF8'), $1::int[]
        from generate_series(1, $2::int)
        returning webhook_id)
      insert into owed (webhook_id, subscription_id, size_bytes, due_at)
      select webhook_id, id, 500, now() from e, unnest($1::int[]) as t (id)`,
    values: [bad, backlog],
  })
  await database.query({
    text: 'update lanes set due_at = now() where subscription_id = any($1)',
    values: [bad],
  })
  // Vacuum and a checkpoint now, so that they do not run in the middle of a phase.
  await database.query({ text: 'vacuum analyze owed' })
  await database.query({ text: 'vacuum analyze events' })
  await database.query({ text: 'checkpoint' })
  return bad
}

async function attemptsAt({ database, bad }: World): Promise<number> {
  const { rows } = await database.query<{ count: number }>({
    text: 'select count(*)::int as count from delivery_logs where subscription_id = any($1)',
    values: [bad],
  })
  return rows[0]?.count ?? 0
}

async function post(contender: Contender, path: string): Promise<void> {
  const answer = await fetch(`http://127.0.0.1:${contender.port}${path}`, { method: 'POST' })
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
  await answer.body?.cancel()
}

/** Accepts connections and reads requests, and never answers. */
async function startHanging(): Promise<Server> {
  const server = createServer(socket => socket.on('error', () => {}).resume())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server.unref()
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port // it listens on TCP
}

function lineOf({ alone, beside, badAttempts }: Round): string {
  const of = ({ latency }: PhaseResult) => `p50 ${ms(latency.p50Us)}, p99 ${ms(latency.p99Us)} ms`
  return `alone ${of(alone)};  beside ${of(beside)}, ${badAttempts} attempts at the bad ones`
}

function print(rounds: readonly Round[], first: PhaseResult, load: Load, backlog: number): void {
  const machine = readMachine()
  const ratiosOf = (read: (result: PhaseResult) => number) =>
    rounds.map(({ alone, beside }) => read(beside) / read(alone)).sort((one, other) => one - other)
  const p50 = (result: PhaseResult) => result.latency.p50Us
  const p99 = (result: PhaseResult) => result.latency.p99Us
  // The quieter rounds: noise of the machine can only add, and at p99 it is most of the value.
  const quiet = (read: (round: Round) => PhaseResult) => lowerQuartile(rounds.map(round => p99(read(round))))
  const figures = {
    empty_p50_ms: Number(ms(p50(first))),
    empty_p99_ms: Number(ms(p99(first))),
    alone_p50_ms: Number(ms(median(rounds.map(({ alone }) => p50(alone))))),
    alone_p99_ms: Number(ms(median(rounds.map(({ alone }) => p99(alone))))),
    alone_p99_quiet_ms: Number(ms(quiet(({ alone }) => alone))),
    beside_p50_ms: Number(ms(median(rounds.map(({ beside }) => p50(beside))))),
    beside_p99_ms: Number(ms(median(rounds.map(({ beside }) => p99(beside))))),
    beside_p99_quiet_ms: Number(ms(quiet(({ beside }) => beside))),
    ratio_p50: rounded(median(ratiosOf(p50))),
    ratio_p99: rounded(median(ratiosOf(p99))),
    ratio_p99_quiet: rounded(quiet(({ beside }) => beside) / quiet(({ alone }) => alone)),
    ratio_p99_from: rounded(ratiosOf(p99).at(0)),
    ratio_p99_to: rounded(ratiosOf(p99).at(-1)),
    others_percent: rounded(
      median(rounds.flatMap(({ alone, beside }) => [alone, beside].map(othersPercent))),
    ),
    bad_attempts: rounds.reduce((sum, { badAttempts }) => sum + badAttempts, 0),
  }
  console.log(`${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, commit ${machine.commit}`)
  console.log(
    `${load.rate} events/s, ${load.seconds} s, medians of ${rounds.length} rounds, ${backlog} owed to each\n`,
  )
  for (const [name, value] of Object.entries(figures)) console.log(`${name.padEnd(20)} ${value}`)
  console.log(`\n${JSON.stringify({ machine, backlog, rounds: rounds.length, ...figures })}`)
}

/** Of all cores. What others take decides p99 here: above a few per cent the run is to be repeated. */
function othersPercent({ cpu, delivered, startUs, endUs }: PhaseResult): number {
  return (100 * (cpu?.othersUs ?? 0) * delivered) / ((endUs - startUs) * cpus().length)
}

function rounded(value = Number.NaN): number {
  return Math.round(value * 1000) / 1000
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

function lowerQuartile(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 4)] ?? Number.NaN
}

function ms(us: number): string {
  return (us / 1e3).toFixed(2)
}

function pause(forMs: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, forMs))
}

async function main(): Promise<number> {
  const text = { type: 'string' } as const
  const { values } = parseArgs({
    options: {
      rounds: { ...text, default: '16' },
      seconds: { ...text, default: '3' },
      rate: { ...text, default: '200' },
      backlog: { ...text, default: '100000' },
      'circuit-failures': text,
      settled: { type: 'boolean', default: false },
    },
  })
  // The service takes its settings from here; with 0 the circuit never opens, so the bad ones are always tried.
  if (values['circuit-failures'] !== undefined) process.env.CIRCUIT_FAILURES = values['circuit-failures']
  const load = { seconds: Number(values.seconds), rate: Number(values.rate), size: 500, connections: 64 }
  const backlog = Number(values.backlog)
  const children = new Children()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
  try {
    const ends = await startEnds(children)
    const start = { children, receiverPort: ends.receiverPort, nodeFlags: [], subscription: {} }
    const contender = await startContender('service', start)
    const { dataDir = '' } = contender
    const postgres = await startEmbeddedPostgres({ dataDir, log: () => {} }) // the one the service has started
    const { connection } = postgres
    const database = new Database({
      connection,
      poolSize: 1,
      queryTimeoutMs: 120_000,
      connectTimeoutMs: 10_000,
    })
    const hanging = await startHanging()
    const closed = await startHanging()
    const urls = [`http://127.0.0.1:${portOf(hanging)}/`, `http://127.0.0.1:${portOf(closed)}/`]
    closed.close()
    await runPhase(ends, contender, { ...load, seconds: warmUpSeconds })
    const first = await runPhase(ends, contender, load)
    const bad = await fill(contender, database, urls, backlog)
    const rounds = await runRounds(
      { ends, contender, bad, database, load, settled: values.settled },
      Number(values.rounds),
    )
    print(rounds, first, load, backlog)
    await database.close()
    await postgres.stop()
    await contender.stop()
    const missing = rounds.reduce((sum, { alone, beside }) => sum + alone.missing + beside.missing, 0)
    if (missing > 0) console.error(`${missing} accepted events were not received.`)
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
