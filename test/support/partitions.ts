import { attachPartition, createPartition } from '../../src/log/partition-store.ts'
import { nameOfTime } from '../../src/log/partitions.ts'
import { uuidLowerBound } from '../../src/platform/id.ts'
import type { Database } from '../../src/platform/postgres.ts'
import { hourMs } from './clock.ts'

/**
 * Partitions for events, log and details, each from a moment to another one (whole hours, Unix milliseconds). `ensurePartitions`
 * makes eight hours at least, which takes PostgreSQL longer than most tests.
 */
export async function makePartitions(
  database: Database,
  ranges: readonly (readonly [from: number, to: number])[],
): Promise<void> {
  for (const table of ['events', 'delivery_logs', 'attempt_details'] as const) {
    for (const [from, to] of ranges) {
      const name = `${table}_${nameOfTime(from)}`
      await createPartition(database, table, name)
      await attachPartition(database, table, name, uuidLowerBound(from), uuidLowerBound(to))
    }
  }
}

/** Hour by hour, from the one that this moment is in to that of another. */
export function hoursBetween(from: number, to: number): readonly (readonly [from: number, to: number])[] {
  const first = hourOf(from)
  const count = (hourOf(to) - first) / hourMs + 1
  return Array.from({ length: count }, (_, n) => [first + n * hourMs, first + (n + 1) * hourMs] as const)
}

/** The beginning of the hour that a moment is in. */
export const hourOf = (ms: number) => Math.floor(ms / hourMs) * hourMs
