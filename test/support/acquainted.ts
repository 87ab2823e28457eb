import type { SystemReport } from '../../src/monitor/system-schema.ts'
import { eventually } from './eventually.ts'

export async function systemOf(url: string): Promise<SystemReport> {
  return (await (await fetch(`${url}/system`)).json()) as SystemReport // as its schema has it
}

/** Waits until each of these processes, all of which deliver, knows how many they are. */
export async function acquainted(urls: readonly string[]): Promise<void> {
  for (const url of urls) {
    await eventually(
      async () => Number(deliveringLine.exec(await (await fetch(`${url}/metrics`)).text())?.[1]),
      count => count === urls.length,
    )
  }
}

const deliveringLine = /^webhook_delivering_processes (\d+)$/m
