import { type EventLoopUtilization, monitorEventLoopDelay } from 'node:perf_hooks'
import { version } from '../version.ts'
import type { Setter } from './figures.ts'

type Delay = ReturnType<typeof monitorEventLoopDelay>

/** Figures of the event loop are of this long at least, and twice as long at most. */
const windowMs = 15_000

/**
 * How often the delay of the event loop is measured. Each time wakes the process: with 20 ms it cost as much as all else of
 * these figures together (`npm run bench:metrics`).
 */
const resolutionMs = 100

interface Lag {
  readonly mean: number
  readonly p99: number
  readonly max: number
}

const none: Lag = { mean: 0, p99: 0, max: 0 }

/** What Node says of this process. The event loop is watched from the first time on that somebody asks. */
export class ProcessFigures {
  #delay: Delay | undefined
  #windowSince = 0
  #before = none
  #utilization: EventLoopUtilization | undefined
  #utilizationBefore = 0

  collect(set: Setter): void {
    const { rss, heapUsed, external } = process.memoryUsage()
    const { user, system } = process.cpuUsage()
    set('cpuSeconds', (user + system) / 1e6)
    set('residentMemory', rss)
    set('heapUsed', heapUsed)
    set('externalMemory', external)
    set('startTime', Math.round(performance.timeOrigin) / 1000)
    set('processes', 1)
    set('buildInfo', 1, version, process.versions.node)
    this.#collectLoop(set)
  }

  close(): void {
    this.#delay?.disable()
  }

  #collectLoop(set: Setter): void {
    const now = performance.now()
    if (this.#delay === undefined) {
      this.#delay = monitorEventLoopDelay({ resolution: resolutionMs })
      this.#delay.enable()
      this.#windowSince = now
      this.#utilization = performance.eventLoopUtilization()
    }
    const lag = lagOf(this.#delay)
    const used = performance.eventLoopUtilization(this.#utilization).utilization
    for (const name of ['mean', 'p99', 'max'] as const)
      set('eventLoopLag', Math.max(lag[name], this.#before[name]), name)
    set('eventLoopUtilization', Math.max(used, this.#utilizationBefore))
    if (now - this.#windowSince < windowMs) return
    this.#before = lag
    this.#utilizationBefore = used
    this.#delay.reset()
    this.#utilization = performance.eventLoopUtilization()
    this.#windowSince = now
  }
}

/** In seconds, without the time that lies between two measurements anyway. */
function lagOf(delay: Delay): Lag {
  if (delay.count === 0) return none
  const seconds = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - resolutionMs) / 1000
  return { mean: seconds(delay.mean), p99: seconds(delay.percentile(99)), max: seconds(delay.max) }
}
