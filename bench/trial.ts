import { fileURLToPath } from 'node:url'
import { ask, type Child, type Children, expect } from './children.ts'
import type { Contender } from './contenders.ts'
import type { HistogramCounts, Percentiles } from './histogram.ts'
import { type Cpu, cpuOf, type Memory, machineCpuUs } from './measure.ts'

const DRAIN_TIMEOUT_MS = 60_000
/** How long after its last send the generator may wait for answers. */
const GENERATOR_GRACE_MS = 20_000
/** More than Node can take in a second on any machine; keeps the lists of sequence numbers bounded. */
const EVENTS_PER_SECOND_MAX = 100_000

/** The two processes at the ends of what is measured. */
export interface Ends {
  readonly generator: Child
  readonly receiver: Child
}

/** Starts both. */
export async function startEnds(children: Children): Promise<Ends & { readonly receiverPort: number }> {
  const fileOf = (name: string) => fileURLToPath(new URL(name, import.meta.url))
  const receiver = children.launch({ name: 'receiver', file: fileOf('receiver.ts'), ipc: true })
  const { port } = await expect(receiver, 'ready')
  return { generator: await startGenerator(children), receiver, receiverPort: port }
}

/** A generator alone. */
export async function startGenerator(children: Children): Promise<Child> {
  const file = fileURLToPath(new URL('generator.ts', import.meta.url))
  const generator = children.launch({ name: 'generator', file, ipc: true })
  await expect(generator, 'ready')
  return generator
}

/** One load: `rate` 0 is as fast as the connections allow. */
export interface Load {
  readonly seconds: number
  readonly connections: number
  readonly size: number
  readonly rate: number
}

/** What one load came to. */
export interface PhaseResult {
  readonly accepted: number
  readonly acceptedPerSecond: number
  /** Received once each, per second from the first send to the last receipt: a backlog lengthens the time. */
  readonly deliveredPerSecond: number
  readonly delivered: number
  readonly missing: number
  readonly duplicates: number
  readonly damaged: number
  readonly refused: Readonly<Record<string, number>>
  readonly unanswered: number
  /** From the request to the receipt. */
  readonly latency: Percentiles
  readonly latencies: HistogramCounts
  /** From the request to its answer. */
  readonly answer: Percentiles
  readonly generatorLateness: Percentiles
  readonly cpu: CpuPerEvent | undefined
  /** When it began and ended, on the clock of `nowUs`; a profile is cut to it. */
  readonly startUs: number
  readonly endUs: number
}

/** Microseconds of CPU per delivered event. */
export interface CpuPerEvent {
  readonly ownUs: number
  readonly postgresUs: number | undefined
  readonly generatorUs: number
  readonly receiverUs: number
  /** CPU of other processes and of the host. With much of it the measured rate is too low. */
  readonly othersUs: number
}

/** What one contender did in one round. */
export interface TrialResult {
  readonly full: PhaseResult
  readonly steady: PhaseResult | undefined
  readonly memory: Memory
}

let phases = 0

/** Publishes one load and waits until everything accepted was received, at most a minute. */
export async function runPhase(ends: Ends, contender: Contender, load: Load): Promise<PhaseResult> {
  const phase = ++phases
  const { size, connections, rate } = load
  const eventsMax = Math.ceil(load.seconds * (rate > 0 ? rate : EVENTS_PER_SECOND_MAX))
  await ask(ends.receiver, { kind: 'begin', phase, size, eventsMax }, 'begun', 5_000)
  const before = readCpu(ends, contender)
  const durationMs = load.seconds * 1e3
  const { port, path } = contender
  const generated = await ask(
    ends.generator,
    { kind: 'generate', port, path, phase, size, connections, durationMs, rate, eventsMax },
    'generated',
    durationMs + GENERATOR_GRACE_MS,
  )
  const { acceptedBits } = generated
  const settled = await ask(
    ends.receiver,
    { kind: 'settle', acceptedBits, timeoutMs: DRAIN_TIMEOUT_MS },
    'settled',
    DRAIN_TIMEOUT_MS + 5_000,
  )
  const after = readCpu(ends, contender)
  const { firstSentUs, lastAnswerUs } = generated
  return {
    accepted: generated.accepted,
    acceptedPerSecond: (generated.accepted / (lastAnswerUs - firstSentUs)) * 1e6,
    deliveredPerSecond: (settled.unique / (settled.lastReceiptUs - firstSentUs)) * 1e6,
    delivered: settled.unique,
    missing: settled.missing,
    duplicates: settled.duplicates,
    damaged: settled.damaged,
    refused: generated.refused,
    unanswered: generated.unanswered,
    latency: settled.latency,
    latencies: settled.latencies,
    answer: generated.answer,
    generatorLateness: generated.lateness,
    cpu: cpuBetween(before, after, settled.unique),
    startUs: firstSentUs,
    endUs: settled.lastReceiptUs,
  }
}

interface CpuReading {
  readonly machineUs: number | undefined
  readonly program: Cpu | undefined
  readonly generatorUs: number | undefined
  readonly receiverUs: number | undefined
}

function readCpu(ends: Ends, contender: Contender): CpuReading {
  return {
    machineUs: machineCpuUs(),
    program: contender.meter.cpu(),
    generatorUs: cpuOf(ends.generator.pid),
    receiverUs: cpuOf(ends.receiver.pid),
  }
}

function cpuBetween(before: CpuReading, after: CpuReading, events: number): CpuPerEvent | undefined {
  if (before.program === undefined || after.program === undefined || events === 0) return undefined
  const perEvent = (from = 0, to = 0) => (to - from) / events
  const { postgresUs } = after.program
  const known = {
    ownUs: perEvent(before.program.ownUs, after.program.ownUs),
    postgresUs: postgresUs === undefined ? undefined : perEvent(before.program.postgresUs, postgresUs),
    generatorUs: perEvent(before.generatorUs, after.generatorUs),
    receiverUs: perEvent(before.receiverUs, after.receiverUs),
  }
  const sum = known.ownUs + (known.postgresUs ?? 0) + known.generatorUs + known.receiverUs
  return { ...known, othersUs: Math.max(perEvent(before.machineUs, after.machineUs) - sum, 0) }
}
