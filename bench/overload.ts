// What happens at twice the load that the service can carry: `npm run bench:overload`. README.md says what is measured.
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { ask, type Child, Children, expect } from './children.ts'
import { type Contender, startContender } from './contenders.ts'
import { readTruth, slowCommits, type Truth } from './overload-database.ts'
import type { Loaded, Order, Second, Stretch } from './overload-load.ts'
import { readMachine } from './report.ts'

const size = 1024
const eventsMax = 4_000_000
const settleTimeoutMs = 240_000
const capacityPhase = 1
const loadPhase = 2
/** The share of the capacity that is sent before and after. */
const normalShare = 0.3

interface Options {
  readonly seconds: number
  readonly factor: number
  readonly connections: number
  /** How long each commit takes at least, as on a slow disk; 0: as long as it takes. */
  readonly commitMs: number
}

async function run(children: Children, options: Options): Promise<number> {
  const receiver = launch(children, 'receiver.ts')
  const { port: receiverPort } = await expect(receiver, 'ready')
  const load = launch(children, 'overload-load.ts')
  await expect(load, 'ready')
  const subscription = { max_in_flight: 64 }
  const contender = await startContender('service', { children, receiverPort, nodeFlags: [], subscription })
  const { dataDir = '' } = contender
  if (options.commitMs > 0) await slowCommits(dataDir, options.commitMs)
  const capacity = await measureCapacity(contender, load)
  console.error(`capacity: ${capacity} accepted/s on 1,000 connections`)
  const normal = Math.round(capacity * normalShare)
  await ask(receiver, { kind: 'begin', phase: loadPhase, size, eventsMax }, 'begun', 10_000)
  const loaded = await order(contender, load, options.connections, [
    { name: 'before', seconds: 5, rate: normal },
    { name: 'over', seconds: options.seconds, rate: Math.round(capacity * options.factor) },
    { name: 'after', seconds: 10, rate: normal },
  ])
  const { acceptedBits } = loaded
  const settle = { kind: 'settle', acceptedBits, timeoutMs: settleTimeoutMs } as const
  const { missing, duplicates } = await ask(receiver, settle, 'settled', settleTimeoutMs + 10_000)
  const rssMb = Math.round((contender.meter.memory().ownBytes ?? 0) / 2 ** 20)
  const truth = await readTruth(
    dataDir,
    loaded.seconds.map(({ startedAt }) => startedAt),
  )
  await contender.stop()
  const facts = { capacity, ...options, rss_mb: rssMb, missing, duplicates }
  const { auditMissing, owed, repeats } = truth
  print(loaded.seconds, truth, { ...facts, audit_missing: auditMissing, audit_owed: owed, repeats })
  const isWell = missing === 0 && auditMissing === 0 && duplicates <= repeats
  return isWell && loaded.seconds.every(({ odd }) => odd === 0) ? 0 : 1
}

/** The first seconds warm up; the median of the others is the capacity. */
async function measureCapacity(contender: Contender, load: Child): Promise<number> {
  const { seconds } = await order(contender, load, 1000, [{ name: 'capacity', seconds: 8, rate: 0 }])
  const rates = seconds.slice(3).map(({ accepted }) => accepted)
  return rates.toSorted((one, other) => one - other)[Math.floor(rates.length / 2)] ?? 0
}

async function order(
  { port, path }: Contender,
  load: Child,
  connections: number,
  stretches: readonly Stretch[],
): Promise<Loaded> {
  const phase = stretches.length === 1 ? capacityPhase : loadPhase
  const message: Order = { port, path, size, connections, eventsMax, phase, stretches }
  load.process.send(message)
  const [answer] = await once(load.process, 'message')
  return answer as Loaded // the only thing that child says after `ready`
}

function print(
  seconds: readonly Second[],
  { deliveries }: Truth,
  facts: Readonly<Record<string, number>>,
): void {
  const of = (name: string) => seconds.filter(({ stretch }) => stretch === name)
  const rate = (name: string, key: 'sent' | 'accepted' | 'refused' | 'noConnection') =>
    Math.round(of(name).reduce((sum, second) => sum + second[key], 0) / of(name).length)
  const latency = (name: string, of_: 'acceptedLatency' | 'refusedLatency', key: 'p50Us' | 'p99Us') =>
    ms(
      median(
        of(name)
          .filter(second => second[of_].maxUs > 0)
          .map(second => second[of_][key]),
      ),
    )
  const before = median(of('before').map(({ acceptedLatency }) => acceptedLatency.p99Us))
  const well = ({ acceptedLatency, refused }: Second) =>
    refused === 0 && acceptedLatency.p99Us <= 1.5 * before
  const after = of('after')
  const lastBad = after.findLastIndex(second => !well(second))
  const firstWell = after.findIndex(well)
  const figures = {
    ...facts,
    sent_per_s: rate('over', 'sent'),
    no_connection_per_s: rate('over', 'noConnection'),
    accepted_per_s: rate('over', 'accepted'),
    refused_per_s: rate('over', 'refused'),
    odd: seconds.reduce((sum, { odd }) => sum + odd, 0),
    accepted_p50_ms: latency('over', 'acceptedLatency', 'p50Us'),
    accepted_p99_ms: latency('over', 'acceptedLatency', 'p99Us'),
    refused_p50_ms: latency('over', 'refusedLatency', 'p50Us'),
    refused_p99_ms: latency('over', 'refusedLatency', 'p99Us'),
    before_p50_ms: latency('before', 'acceptedLatency', 'p50Us'),
    before_p99_ms: ms(before),
    after_p99_ms: latency('after', 'acceptedLatency', 'p99Us'),
    // The first second that is well again, and the end of the last one that is not; -1: none is.
    first_well_after_s: firstWell,
    well_for_good_after_s: lastBad + 1 === after.length ? -1 : lastBad + 1,
  }
  const machine = readMachine()
  console.log(`${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, commit ${machine.commit}\n`)
  for (const [name, value] of Object.entries(figures)) console.log(`${name.padEnd(22)} ${value}`)
  console.log('\nsecond    sent  none accepted  p99 ms  refused  p99 ms delivered p50, p99 ms')
  for (const [index, { stretch, sent, noConnection, accepted, refused, ...second }] of seconds.entries()) {
    const delivered = deliveries.find(delivery => delivery.index === index)
    const columns = [sent, noConnection, accepted, ms(second.acceptedLatency.p99Us), refused]
    const latencies = [ms(second.refusedLatency.p99Us), delivered?.p50Ms ?? '-', delivered?.p99Ms ?? '-']
    const cells = [...columns, ...latencies].map(cell => String(cell).padStart(7))
    console.log(`${stretch.padEnd(7)}${cells.join(' ')}`)
  }
  console.log(`\n${JSON.stringify({ machine, ...figures })}`)
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN
}

function ms(us: number): number {
  return Math.round(us / 100) / 10
}

function launch(children: Children, name: string): Child {
  const file = fileURLToPath(new URL(name, import.meta.url))
  return children.launch({ name, file, ipc: true })
}

const text = { type: 'string' } as const
const { values } = parseArgs({
  options: {
    seconds: { ...text, default: '15' },
    factor: { ...text, default: '2' },
    connections: { ...text, default: '2000' },
    processes: { ...text, default: '1' },
    'commit-ms': { ...text, default: '0' },
  },
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
process.env.PROCESSES = values.processes
const children = new Children()
try {
  process.exitCode = await run(children, {
    seconds: Number(values.seconds),
    factor: Number(values.factor),
    connections: Number(values.connections),
    commitMs: Number(values['commit-ms']),
  })
} finally {
  children.killAll()
}
