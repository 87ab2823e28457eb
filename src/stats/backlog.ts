import { readQueue } from '../monitor/system.ts'
import type { Queryable } from '../platform/postgres.ts'
import { deleteSamplesBefore, insertSample, readSamples } from './backlog-store.ts'
import type { BacklogBucket } from './schema.ts'
import { minuteMs, minuteOf } from './steps.ts'

// What waits is known for the present only: the rows of what was delivered are gone. So it is sampled once a minute, by the
// process that rolls up the log.

/** Keeps how much waits now, and since when the oldest one is due. @param now Unix milliseconds */
export async function sampleBacklog(db: Queryable, now: number): Promise<void> {
  const { owed, oldestDueAt } = await readQueue(db)
  const oldest = oldestDueAt === null ? null : Math.max(0, Math.round((now - oldestDueAt) / 1000))
  await insertSample(db, minuteOf(now), owed, oldest)
}

/** Samples are kept as long as the figures by the hour. One delete of some sixty rows an hour. */
export async function removeOldSamples(db: Queryable, now: number, retentionDays: number): Promise<void> {
  await deleteSamplesBefore(db, minuteOf(now) - retentionDays * 1440)
}

/**
 * The most that waited in each bucket, and the longest that the oldest one was due; null: there is no sample.
 *
 * @param begins the minute at which each begins
 */
export async function backlogOf(
  db: Queryable,
  begins: readonly number[],
  now: number,
): Promise<readonly BacklogBucket[]> {
  const samples = new Map((await readSamples(db, begins)).map(row => [row.index - 1, row]))
  return begins
    .map((minute, index) => ({
      start: new Date(minute * minuteMs).toISOString(),
      pending: samples.get(index)?.pending ?? null,
      oldest_due_seconds: samples.get(index)?.oldest_due_seconds ?? null,
    }))
    .filter((_, index) => (begins[index] ?? 0) * minuteMs < now)
}
