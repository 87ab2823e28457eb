import { execFileSync } from 'node:child_process'
import { cpus, totalmem } from 'node:os'
import { CONTENDERS, type ContenderName } from './contenders.ts'
import type { PhaseResult, TrialResult } from './trial.ts'

/** All rounds of every contender, in the order they ran. */
export type Rounds = Readonly<Partial<Record<ContenderName, readonly TrialResult[]>>>

/** Where the figures come from; a figure without it says nothing. */
export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryGb: number
  readonly node: string
  readonly commit: string
}

/** Reads what the figures depend on. `commit` ends in `+` when the checkout has changes. */
export function readMachine(): Machine {
  const [first] = cpus()
  return {
    cpu: first?.model ?? 'unknown',
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    commit: `${git('rev-parse', '--short', 'HEAD') || 'unknown'}${git('status', '--porcelain') === '' ? '' : '+'}`,
  }
}

function git(...args: readonly string[]): string {
  try {
    return execFileSync('git', args, { cwd: import.meta.dirname, encoding: 'utf8', stdio: 'pipe' }).trim()
  } catch {
    return ''
  }
}

type Read = (trial: TrialResult) => number | undefined
type Figure = readonly [key: string, label: string, read: Read, digits: number]

const MILLI = 1e-3
const MEGABYTE = 1e-6

/** Every figure once: its name in the JSON, its line in the table, where it comes from, and its decimals. */
const FIGURES: readonly Figure[] = [
  ['accepted_per_s', 'accepted/s', ({ full }) => full.acceptedPerSecond, 0],
  ['delivered_per_s', 'delivered/s', ({ full }) => full.deliveredPerSecond, 0],
  ['full_p50_ms', 'latency p50, full load, ms', ({ full }) => full.latency.p50Us * MILLI, 2],
  ['full_p99_ms', 'latency p99, full load, ms', ({ full }) => full.latency.p99Us * MILLI, 2],
  ['steady_p50_ms', 'latency p50, steady rate, ms', ({ steady }) => scaled(steady?.latency.p50Us, MILLI), 2],
  ['steady_p99_ms', 'latency p99, steady rate, ms', ({ steady }) => scaled(steady?.latency.p99Us, MILLI), 2],
  ['answer_p50_ms', 'answer p50, full load, ms', ({ full }) => full.answer.p50Us * MILLI, 2],
  ['answer_p99_ms', 'answer p99, full load, ms', ({ full }) => full.answer.p99Us * MILLI, 2],
  ['cpu_own_us', 'CPU/event, Node, µs', ({ full }) => full.cpu?.ownUs, 1],
  ['cpu_postgres_us', 'CPU/event, PostgreSQL, µs', ({ full }) => full.cpu?.postgresUs, 1],
  ['cpu_generator_us', 'CPU/event, generator, µs', ({ full }) => full.cpu?.generatorUs, 1],
  ['cpu_receiver_us', 'CPU/event, receiver, µs', ({ full }) => full.cpu?.receiverUs, 1],
  ['steady_cpu_own_us', 'CPU/event, steady rate, Node, µs', ({ steady }) => steady?.cpu?.ownUs, 1],
  ['steady_cpu_postgres_us', 'CPU/event, steady, PostgreSQL, µs', ({ steady }) => steady?.cpu?.postgresUs, 1],
  ['others_percent', 'CPU taken by others, %', othersPercent, 1],
  ['memory_own_mb', 'peak memory, Node, MB', ({ memory }) => scaled(memory.ownBytes, MEGABYTE), 0],
  [
    'memory_postgres_mb',
    'peak memory, PostgreSQL, MB',
    ({ memory }) => scaled(memory.postgresBytes, MEGABYTE),
    0,
  ],
  ['accepted', 'accepted, all rounds (sum)', trial => sumOf(trial, phase => phase.accepted), 0],
  ['missing', 'missing (sum)', trial => sumOf(trial, phase => phase.missing), 0],
  ['duplicates', 'duplicates (sum)', trial => sumOf(trial, phase => phase.duplicates), 0],
  ['damaged', 'damaged (sum)', trial => sumOf(trial, phase => phase.damaged), 0],
  ['refused', 'refused or unanswered (sum)', trial => sumOf(trial, refusedOf), 0],
]
const SUMMED = new Set(['accepted', 'missing', 'duplicates', 'damaged', 'refused'])

/** The figures of all contenders: medians over the rounds, sums for what counts events. */
export type Summary = Readonly<Partial<Record<ContenderName, Readonly<Record<string, number | null>>>>>

/** Puts the rounds together. A figure that can't be had on this machine is null. */
export function summarise(rounds: Rounds): Summary {
  const entries = CONTENDERS.flatMap(name => {
    const trials = rounds[name]
    if (trials === undefined || trials.length === 0) return []
    const figures = FIGURES.map(([key, , read]) => {
      const values = trials.map(read).filter(value => value !== undefined)
      const total = values.reduce((sum, value) => sum + value, 0)
      return [key, SUMMED.has(key) ? total : median(values)] as const
    })
    return [[name, Object.fromEntries(figures)] as const]
  })
  return Object.fromEntries(entries)
}

/** delivered/s of one as a share of another's: the median of the rounds' own ratios, whose two sides ran
 * one after the other and so had the same noise. */
export function ratioOf(rounds: Rounds, one: ContenderName, other: ContenderName): number | null {
  const ratios = (rounds[one] ?? []).flatMap((trial, round) => {
    const base = rounds[other]?.[round]
    return base === undefined ? [] : [trial.full.deliveredPerSecond / base.full.deliveredPerSecond]
  })
  return median(ratios)
}

/** CPU per event at full load of one as a share of another's, as `ratioOf`. */
export function costRatioOf(
  rounds: Rounds,
  one: ContenderName,
  other: ContenderName,
  part: 'ownUs' | 'postgresUs',
): number | null {
  const ratios = (rounds[one] ?? []).flatMap((trial, round) => {
    const base = rounds[other]?.[round]?.full.cpu?.[part]
    const cost = trial.full.cpu?.[part]
    return base === undefined || cost === undefined ? [] : [cost / base]
  })
  return median(ratios)
}

/** The table that is printed. */
export function formatTable(summary: Summary): string {
  const names = CONTENDERS.filter(name => summary[name] !== undefined)
  const lines = [['', ...names], ...FIGURES.map(figure => lineOf(figure, names, summary))]
  const first = Math.max(...lines.map(([label = '']) => label.length))
  return lines
    .map(([label = '', ...cells]) => [label.padEnd(first), ...cells.map(cell => cell.padStart(12))].join(''))
    .join('\n')
}

function lineOf([key, label, , digits]: Figure, names: readonly ContenderName[], summary: Summary): string[] {
  const cells = names.map(name => {
    const value = summary[name]?.[key] ?? null
    return value === null
      ? 'n/a'
      : value.toLocaleString('en', { maximumFractionDigits: digits, minimumFractionDigits: digits })
  })
  return [label, ...cells]
}

/** Of all cores' time at full load. */
function othersPercent({ full }: TrialResult): number | undefined {
  if (full.cpu === undefined) return undefined
  return (full.cpu.othersUs * full.delivered * 100) / ((full.endUs - full.startUs) * cpus().length)
}

function sumOf({ full, steady }: TrialResult, read: (phase: PhaseResult) => number): number {
  return read(full) + (steady === undefined ? 0 : read(steady))
}

function refusedOf(phase: PhaseResult): number {
  return Object.values(phase.refused).reduce((sum, count) => sum + count, phase.unanswered)
}

function scaled(value: number | undefined, factor: number): number | undefined {
  return value === undefined ? undefined : value * factor
}

function median(values: readonly number[]): number | null {
  const sorted = values.toSorted((a, b) => a - b)
  const upper = sorted[Math.floor(sorted.length / 2)]
  const lower = sorted[Math.floor((sorted.length - 1) / 2)]
  return upper === undefined || lower === undefined ? null : (upper + lower) / 2
}
