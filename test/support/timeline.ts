import { cpus } from 'node:os'
import { basename } from 'node:path'
import type { FileTime } from './times.ts'

/** How busy the processors of the machine were in one piece of time, by whatever ran on it. */
export interface Load {
  readonly beganAt: number
  readonly endedAt: number
  /** From 0 to 1. */
  readonly busy: number
}

export interface LoadWatch {
  /** @returns what was seen */
  stop(): readonly Load[]
}

/** Looks now and then how busy the processors were since the last look. */
export function watchLoad(intervalMs: number): LoadWatch {
  const loads: Load[] = []
  let last = { at: Date.now(), ...processorTimes() }
  const look = () => {
    const now = { at: Date.now(), ...processorTimes() }
    const all = now.all - last.all
    loads.push({ beganAt: last.at, endedAt: now.at, busy: all === 0 ? 0 : 1 - (now.idle - last.idle) / all })
    last = now
  }
  const timer = setInterval(look, intervalMs).unref()
  return {
    stop() {
      clearInterval(timer)
      look()
      return loads
    },
  }
}

function processorTimes(): { readonly all: number; readonly idle: number } {
  const times = cpus().map(cpu => cpu.times)
  return {
    all: times.reduce((sum, { user, nice, sys, idle, irq }) => sum + user + nice + sys + idle + irq, 0),
    idle: times.reduce((sum, { idle }) => sum + idle, 0),
  }
}

/** For people: a line for each piece of time, with the files that ran in it, each process of tests in a column of its own. */
export function timeline(loads: readonly Load[], times: readonly FileTime[]): string {
  const start = loads[0]?.beganAt ?? 0
  const pids = [...new Set(times.toSorted((a, b) => a.beganAt - b.beganAt).map(({ pid }) => pid))]
  return loads
    .map(({ beganAt, endedAt, busy }) => {
      const running = pids.flatMap(pid => {
        const here = times.filter(
          time => time.pid === pid && time.beganAt < endedAt && time.beganAt + time.wall * 1000 > beganAt,
        )
        const longest = here.toSorted((a, b) => b.wall - a.wall)[0]
        return longest === undefined ? [] : [basename(longest.path, '.test.ts')]
      })
      const at = `${Math.round((beganAt - start) / 1000)}`.padStart(4)
      return `${at} s ${`${Math.round(busy * 100)}`.padStart(3)} %  ${running.join('  ')}`
    })
    .join('\n')
}
