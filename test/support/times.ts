import { appendFileSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** What a file of tests took. */
export interface FileTime {
  readonly path: string
  /** The process that it ran in. */
  readonly pid: number
  /** Milliseconds of the epoch. */
  readonly beganAt: number
  /** From its beginning to its end, seconds: with what other processes took of the machine meanwhile. */
  readonly wall: number
  /** Of the processor, by this process, seconds. */
  readonly own: number
  /** Of the processor, by processes that it started and that have ended. PostgreSQL of the run is none of them. */
  readonly children: number
}

/** Begins to measure a file; the function that comes back ends it. */
export function measureFile(path: string): () => FileTime {
  const [beganAt, wall, own, children] = [Date.now(), performance.now(), ownSeconds(), childSeconds()]
  return () => ({
    ...{ path, pid: process.pid, beganAt },
    wall: (performance.now() - wall) / 1000,
    own: ownSeconds() - own,
    children: childSeconds() - children,
  })
}

function ownSeconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

/** Of those that have ended and were waited for; 0 where the system does not tell. */
export function childSeconds(pid: number | 'self' = 'self'): number {
  try {
    // The name of the program, in brackets, may hold anything. Times are in ticks: 100 in a second, wherever Node.js runs.
    const [, rest = ''] = /^\d+ \(.*\) (.*)$/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? []
    const fields = rest.split(' ')
    return (Number(fields[13]) + Number(fields[14])) / 100
  } catch {
    return 0
  }
}

/** Keeps it for the run that this process belongs to; each process has a file of its own. */
export function keepTime(folder: string, time: FileTime): void {
  appendFileSync(join(folder, `${process.pid}.times`), `${JSON.stringify(time)}\n`)
}

/** Those of all processes of a run, the one with most processor time first. */
export function keptTimes(folder: string): readonly FileTime[] {
  const lines = readdirSync(folder)
    .filter(name => name.endsWith('.times'))
    .flatMap(name => readFileSync(join(folder, name), 'utf8').trim().split('\n'))
  const times: readonly FileTime[] = lines.map(line => JSON.parse(line))
  return times.toSorted((a, b) => b.own + b.children - (a.own + a.children))
}

/** A table for people: the files with most processor time, and what all of them took together. */
export function timesTable(times: readonly FileTime[], count: number): string {
  const line = ({ path, wall, own, children }: Pick<FileTime, 'path' | 'wall' | 'own' | 'children'>) =>
    `${[wall, own, children].map(seconds => seconds.toFixed(1).padStart(7)).join(' ')}  ${path}`
  const sum = (of: 'wall' | 'own' | 'children') => times.reduce((all, time) => all + time[of], 0)
  const all = { path: `${times.length} files`, wall: sum('wall'), own: sum('own'), children: sum('children') }
  return [
    'seconds: from beginning to end, processor, processor of children',
    ...[...times.slice(0, count), all].map(line),
  ].join('\n')
}
