// How much a replay of many deliveries delays fresh events and retries: `npm run bench:replay`. README.md says what is
// measured.
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { ask, type Child, Children } from './children.ts'
import { subscribe } from './contenders.ts'
import { startReceiver } from './fairness-backlog.ts'
import { median, openWorld, pause, rounded, settle, type World } from './growth-world.ts'
import { Histogram } from './histogram.ts'
import type { Generate } from './protocol.ts'
import { readMachine } from './report.ts'
import {
  type CpuPerEvent,
  type Ends,
  type Load,
  type PhaseResult,
  runPhase,
  startEnds,
  startGenerator,
} from './trial.ts'

/** The goals: p99 of fresh events beside ÷ alone, and how late a retry is at p99. */
const ratioMax = 1.1
const lateMsMax = 1000

/** A subscription whose dead letters are sent again, and that has retries besides. */
interface Replayed {
  readonly subscriptionId: number
  /** Requests its receiver has had. */
  readonly requests: () => number
}

interface Phase {
  readonly fresh: PhaseResult
  /** How long after their times the retries were made, in ms, ascending. */
  readonly lateMs: readonly number[]
}

interface Round {
  readonly alone: Phase
  readonly beside: Phase
  /** Requests at the receiver of the replay, per second of the second phase. */
  readonly replayedPerSecond: number
  /** Beside as many fresh events of the replayed subscription as were replayed; undefined: not asked for. */
  readonly control: Phase | undefined
}

interface Run {
  readonly ends: Ends
  readonly world: World
  readonly replayed: Replayed
  readonly load: Load
  /** Retries that become due in a second of a phase. */
  readonly retries: number
  /** Empty: the rate that a replay has where none was given. */
  readonly pace: { readonly rate_per_second?: number }
  /** Sends the fresh events of the control; undefined: there is none. */
  readonly other: Child | undefined
}

/** Makes a subscription with this number of dead letters, by SQL: to have them fail would take hours. */
async function makeReplayed(world: World, count: number): Promise<Replayed> {
  const receiver = await startReceiver('answering')
  const path = await subscribe(world.contender.port, { target_url: `http://127.0.0.1:${receiver.port}/` })
  const subscriptionId = Number(path.split('/').at(-1))
  const step = 100_000
  for (let done = 0; done < count; done += step) {
    await world.database.query({
      text: `
        with e as (
          insert into events (webhook_id, tenant, content_type, payload, subscription_ids)
          select uuidv7(), 'default', 'application/json', '"replayed"', array[$1::int] from generate_series(1, $2::int)
          returning webhook_id)
        insert into delivery_logs (id, webhook_id, subscription_id, attempt, status, verdict, error, error_class)
        select uuidv7(), webhook_id, $1, 5, 'failed', 'given_up', 'HTTP 500', 'http' from e`,
      values: [subscriptionId, Math.min(step, count - done)],
    })
    console.error(`${Math.min(done + step, count)} of ${count} dead letters made`)
  }
  await settle(world.database, ['events', 'delivery_logs', 'owed'])
  return { subscriptionId, requests: receiver.requests }
}

/** Retries of the replayed subscription, that become due one after the other while a phase runs. */
async function makeRetries({ world, replayed, load, retries }: Run): Promise<Date> {
  const { rows } = await world.database.query<{ from: Date }>({
    text: `
      with e as (
        insert into events (webhook_id, tenant, content_type, payload, subscription_ids)
        select uuidv7(), 'default', 'application/json', '"retried"', array[$1::int] from generate_series(1, $2::int)
        returning webhook_id),
      o as (
        insert into owed (webhook_id, subscription_id, size_bytes, due_at, attempt)
        select webhook_id, $1, 9, now() + make_interval(secs => row_number() over () / $3::float8), 2 from e)
      select now() as from`,
    values: [replayed.subscriptionId, Math.max(1, Math.round(retries * load.seconds)), retries],
  })
  await world.database.query({
    text: 'update lanes set due_at = least(due_at, now()) where subscription_id = $1',
    values: [replayed.subscriptionId],
  })
  const from = rows[0]?.from
  if (from === undefined) throw new Error('a select answered no row')
  return from
}

/** Of the retries that were made with `makeRetries`: how late each attempt began. */
async function latenessSince({ world, replayed, retries }: Run, from: Date): Promise<readonly number[]> {
  const { rows } = await world.database.query<{ late: number }>({
    text: `
      select extract(epoch from l."timestamp" - $2::timestamptz)::float8 * 1000
             - 1000 * row_number() over (order by e.webhook_id) / $3::float8 as late
      from events e left join delivery_logs l on l.webhook_id = e.webhook_id and l.subscription_id = $1
      where e.payload = '"retried"' and e.webhook_id >= (lpad(to_hex(floor(extract(epoch from $2::timestamptz) * 1000)::bigint), 12, '0') || '70008000000000000000')::uuid
      order by 1`,
    values: [replayed.subscriptionId, from, retries],
  })
  if (rows.some(({ late }) => late === null)) throw new Error('a retry was not made')
  return rows.map(({ late }) => late).toSorted((one, other) => one - other)
}

async function runOne(run: Run): Promise<Phase> {
  const from = await makeRetries(run)
  const fresh = await runPhase(run.ends, run.world.contender, run.load)
  await untilIdle(run, 0)
  return { fresh, lateMs: await latenessSince(run, from) }
}

async function runBeside(run: Run): Promise<readonly [Phase, number]> {
  const { world, replayed, load } = run
  const filter = { subscription_id: replayed.subscriptionId, state: 'failed' }
  const { id } = await call(world, 'POST', '/replays', { filter, ...run.pace })
  while (Number((await call(world, 'GET', `/replays/${id}`)).queued) === 0) await pause(100)
  const from = await makeRetries(run)
  const before = replayed.requests()
  const fresh = await runPhase(run.ends, world.contender, load)
  const perSecond = (replayed.requests() - before) / load.seconds
  const { state } = await call(world, 'POST', `/replays/${id}/cancel`)
  if (state !== 'cancelled') throw new Error('the replay was done before the phase was: give more --replayed')
  await untilIdle(run, 0)
  return [{ fresh, lateMs: await latenessSince(run, from) }, perSecond]
}

/** The same load, made by fresh events instead of a replay: what it changes is what any load changes on this machine. */
async function runControl(run: Run, other: Child, rate: number): Promise<Phase> {
  const { world, replayed, load } = run
  const from = await makeRetries(run)
  const generate: Generate = {
    kind: 'generate',
    port: world.contender.port,
    path: `/ingest/${replayed.subscriptionId}`,
    ...{ phase: 0, size: load.size, connections: load.connections, durationMs: load.seconds * 1e3, rate },
    eventsMax: Math.ceil(rate * load.seconds),
  }
  const [fresh] = await Promise.all([
    runPhase(run.ends, world.contender, load),
    ask(other, generate, 'generated', load.seconds * 1e3 + 20_000),
  ])
  await untilIdle(run, 0)
  return { fresh, lateMs: await latenessSince(run, from) }
}

/** Nothing more is owed than that. */
async function untilIdle({ world }: Run, owed: number): Promise<void> {
  for (;;) {
    const { rows } = await world.database.query<{ n: number }>({
      text: 'select count(*)::int as n from owed',
    })
    if ((rows[0]?.n ?? 0) <= owed) return
    await pause(100)
  }
}

async function runRounds(run: Run, rounds: number): Promise<readonly Round[]> {
  const done: Round[] = []
  for (let number = 1; number <= rounds; number++) {
    // The order alternates, so that a machine that gets faster or slower favours neither.
    const isAloneFirst = number % 2 === 1
    const before = isAloneFirst ? await runOne(run) : undefined
    const [beside, replayedPerSecond] = await runBeside(run)
    const control =
      run.other && replayedPerSecond > 0 ? await runControl(run, run.other, replayedPerSecond) : undefined
    const round = { alone: before ?? (await runOne(run)), beside, replayedPerSecond, control }
    done.push(round)
    const of = ({ fresh, lateMs }: Phase) =>
      `p50 ${ms(fresh.latency.p50Us)}, p99 ${ms(fresh.latency.p99Us)} ms, retries ${Math.round(percentile(lateMs, 0.99))} ms late`
    console.error(
      `round ${number}/${rounds}  alone ${of(round.alone)};  beside ${of(beside)}, ${Math.round(replayedPerSecond)} replayed/s${control ? `;  control ${of(control)}` : ''}`,
    )
  }
  return done
}

/**
 * One replay of all that is left, to its end.
 *
 * @returns what it says of itself, how long it took, requests its receiver had, and dead letters that are left
 */
async function runWhole({ world, replayed }: Run): Promise<Record<string, unknown>> {
  const filter = { subscription_id: replayed.subscriptionId, state: 'failed' }
  const beganAt = performance.now()
  const before = replayed.requests()
  const { id } = await call(world, 'POST', '/replays', { filter })
  for (;;) {
    const replay = await call(world, 'GET', `/replays/${id}`)
    const took = Math.round((performance.now() - beganAt) / 1000)
    if (replay.state === 'done') {
      const received = replayed.requests() - before
      const { count: left } = await call(world, 'POST', '/replays', { filter, dry_run: true })
      return { ...replay, seconds: took, received, left }
    }
    console.error(`${replay.state}: ${replay.delivered} of ${replay.total} after ${took} s`)
    await pause(10_000)
  }
}

async function call(
  { contender }: World,
  method: string,
  path: string,
  body?: object,
): Promise<Record<string, unknown>> {
  const answer = await fetch(`http://127.0.0.1:${contender.port}${path}`, {
    method,
    ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  })
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
  return (await answer.json()) as Record<string, unknown> // as openapi.json has it
}

function figuresOf(rounds: readonly Round[]) {
  const of = (read: (round: Round) => number, digits = 2) => rounded(median(rounds.map(read)), digits)
  const p50 = ({ fresh }: Phase) => fresh.latency.p50Us / 1e3
  const p99 = ({ fresh }: Phase) => fresh.latency.p99Us / 1e3
  const late = ({ lateMs }: Phase) => percentile(lateMs, 0.99)
  // Of one phase p99 is a few dozens of events, and moves by half from phase to phase: so that of all phases together.
  const pooled = (read: (round: Round) => Phase) => pooledP99Ms(rounds.map(read))
  return {
    alone_p50_ms: of(({ alone }) => p50(alone)),
    alone_p99_ms: of(({ alone }) => p99(alone)),
    beside_p50_ms: of(({ beside }) => p50(beside)),
    beside_p99_ms: of(({ beside }) => p99(beside)),
    ratio_p99: of(({ alone, beside }) => p99(beside) / p99(alone), 3),
    ratio_p99_pooled: rounded(pooled(({ beside }) => beside) / pooled(({ alone }) => alone), 3),
    alone_retries_late_p99_ms: of(({ alone }) => late(alone), 0),
    beside_retries_late_p99_ms: of(({ beside }) => late(beside), 0),
    ...controlFigures(rounds),
    replayed_node_us: of(round => replayedUs(round, ({ ownUs }) => ownUs), 0),
    replayed_postgres_us: of(round => replayedUs(round, ({ postgresUs = Number.NaN }) => postgresUs), 0),
    replayed_per_s: of(({ replayedPerSecond }) => replayedPerSecond, 0),
    others_percent: of(({ alone, beside }) => (othersPercent(alone.fresh) + othersPercent(beside.fresh)) / 2),
    missing: rounds.reduce((sum, { alone, beside }) => sum + alone.fresh.missing + beside.fresh.missing, 0),
  }
}

function controlFigures(rounds: readonly Round[]) {
  const pairs = rounds.flatMap(({ control, alone }) => (control ? [{ control, alone }] : []))
  if (pairs.length === 0) return {}
  const [control, alone] = [pairs.map(pair => pair.control), pairs.map(pair => pair.alone)]
  const ratios = pairs.map(pair => pair.control.fresh.latency.p99Us / pair.alone.fresh.latency.p99Us)
  return {
    control_p99_ms: rounded(median(control.map(({ fresh }) => fresh.latency.p99Us / 1e3)), 2),
    ratio_p99_control: rounded(median(ratios)),
    ratio_p99_control_pooled: rounded(pooledP99Ms(control) / pooledP99Ms(alone), 3),
  }
}

/** Microseconds of CPU for each replayed delivery: what the phase beside the replay takes more than the one alone. */
function replayedUs({ alone, beside, replayedPerSecond }: Round, read: (cpu: CpuPerEvent) => number): number {
  const perSecond = ({ fresh: { cpu, delivered, startUs, endUs } }: Phase) =>
    (cpu === undefined ? Number.NaN : read(cpu) * delivered) / ((endUs - startUs) / 1e6)
  return (perSecond(beside) - perSecond(alone)) / replayedPerSecond
}

/** Of all cores. What others take decides p99 here: above a few per cent the run is to be repeated. */
function othersPercent({ cpu, delivered, startUs, endUs }: PhaseResult): number {
  return (100 * (cpu?.othersUs ?? 0) * delivered) / ((endUs - startUs) * cpus().length)
}

function percentile(ascending: readonly number[], share: number): number {
  return ascending[Math.min(ascending.length - 1, Math.floor(ascending.length * share))] ?? Number.NaN
}

/** p99 of what all the phases saw together. */
function pooledP99Ms(phases: readonly Phase[]): number {
  const all = new Histogram()
  for (const { fresh } of phases) all.add(fresh.latencies)
  return all.percentiles().p99Us / 1e3
}

function ms(us: number): string {
  return (us / 1e3).toFixed(2)
}

async function main(): Promise<number> {
  const text = { type: 'string' } as const
  const { values } = parseArgs({
    options: {
      replayed: { ...text, default: '1000000' },
      rounds: { ...text, default: '10' },
      seconds: { ...text, default: '8' },
      rate: { ...text, default: '200' },
      retries: { ...text, default: '20' },
      pace: { type: 'string' },
      control: { type: 'boolean', default: false },
      whole: { type: 'boolean', default: false },
    },
  })
  const [replayedCount, rate] = [Number(values.replayed), Number(values.rate)]
  const load = { seconds: Number(values.seconds), rate, size: 500, connections: 64 }
  const pace = values.pace === undefined ? {} : { rate_per_second: Number(values.pace) }
  const children = new Children()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
  try {
    const ends = await startEnds(children)
    const world = await openWorld(children, ends.receiverPort)
    const replayed = await makeReplayed(world, replayedCount)
    const other = values.control ? await startGenerator(children) : undefined
    const run = { ends, world, replayed, load, retries: Number(values.retries), pace, other }
    await runPhase(ends, world.contender, { ...load, seconds: 4 }) // warm-up
    const figures = figuresOf(await runRounds(run, Number(values.rounds)))
    const whole = values.whole ? await runWhole(run) : undefined
    await world.close()
    const machine = readMachine()
    console.log(`${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, commit ${machine.commit}`)
    console.log(
      `${rate} events/s, ${load.seconds} s, ${values.rounds} rounds, ${replayedCount} dead letters\n`,
    )
    for (const [name, value] of Object.entries(figures)) console.log(`${name.padEnd(28)} ${value}`)
    if (whole) console.log(`\nall that was left in one replay: ${JSON.stringify(whole)}`)
    console.log(
      `\n${JSON.stringify({ machine, replayed: replayedCount, rounds: values.rounds, ...figures })}`,
    )
    const isGood = figures.ratio_p99_pooled <= ratioMax && figures.beside_retries_late_p99_ms <= lateMsMax
    const isWhole = whole === undefined || (whole.received === whole.delivered && whole.left === 0)
    return isGood && isWhole && figures.missing === 0 ? 0 : 1
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
