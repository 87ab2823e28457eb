import type { Queryable } from '../platform/postgres.ts'

/** Keeps what waits at a minute, in place of an earlier sample of it: the clock may have been ahead when that was taken. */
export async function insertSample(
  db: Queryable,
  minute: number,
  pending: number,
  oldestDueSeconds: number | null,
): Promise<void> {
  await db.query({
    text: `insert into backlog_samples (minute, pending, oldest_due_seconds) values ($1, $2, $3)
           on conflict (minute) do update set pending = excluded.pending, oldest_due_seconds = excluded.oldest_due_seconds`,
    values: [minute, pending, oldestDueSeconds],
  })
}

/** @param minute of the first sample that stays */
export async function deleteSamplesBefore(db: Queryable, minute: number): Promise<void> {
  await db.query({ text: 'delete from backlog_samples where minute < $1', values: [minute] })
}

/** The most of the samples of a period. */
export interface BacklogPeriod {
  /** Which of the periods that were asked for, from 1 on. */
  readonly index: number
  readonly pending: number
  readonly oldest_due_seconds: number | null
}

/** Of periods that follow each other; none for those without a sample. @param begins the minute at which each begins */
export async function readSamples(
  db: Queryable,
  begins: readonly number[],
): Promise<readonly BacklogPeriod[]> {
  const { rows } = await db.query<BacklogPeriod>({
    text: `
      select width_bucket(minute, $1::integer[]) as index, max(pending) as pending, max(oldest_due_seconds) as oldest_due_seconds
      from backlog_samples where minute >= ($1::integer[])[1] group by 1`,
    values: [begins],
  })
  return rows
}
