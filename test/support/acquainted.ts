import type { SystemReport } from '../../src/monitor/system-schema.ts'
import { eventually } from './eventually.ts'

export async function systemOf(url: string): Promise<SystemReport> {
  return (await (await fetch(`${url}/system`)).json()) as SystemReport // as its schema has it
}

/**
 * Waits until all these processes know how many they are: the last one has looked at the others when it started, the
 * others with a heartbeat that came after that.
 */
export async function acquainted(urls: readonly string[]): Promise<void> {
  await eventually(
    () => systemOf(urls[0] ?? ''),
    ({ processes }) => {
      const lastStart = Math.max(...processes.map(one => Date.parse(one.started_at)))
      const knowAll = processes.filter(
        one => Date.parse(one.started_at) === lastStart || Date.parse(one.heartbeat_at) > lastStart + lookMs,
      )
      return processes.length === urls.length && knowAll.length === urls.length
    },
  )
  // The look follows the heartbeat; an answer that takes several statements is later than it.
  for (const url of urls) for (let n = 0; n < 3; n++) await systemOf(url)
}

/** A process looks at the others this soon after it has entered its row, or said that it lives. */
const lookMs = 100
