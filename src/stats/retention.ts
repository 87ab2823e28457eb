import { inBatches } from '../platform/batches.ts'
import type { Logger } from '../platform/logger.ts'
import type { Queryable } from '../platform/postgres.ts'
import { countRowsBefore, deleteMarksBefore, deleteSomeBefore, hasPeriodsBefore } from './retention-store.ts'
import { readRolledUp, subjects } from './roll-up-store.ts'
import { minuteOf, type RolledUp, type Step, steps } from './steps.ts'

const dayMinutes = 1440

/**
 * For how many days the shorter periods are kept, whatever the setting: a window shows them, and the longer ones are made
 * again of them when rows of the log came up to a day late.
 */
const keptDays: Readonly<Partial<Record<Step, number>>> = { 1: 2, 15: 8 }

/**
 * Before which minute the periods of a step begin that are too old. Shorter ones stay until they are in a longer one.
 *
 * @param now Unix milliseconds
 */
function tooOldBefore(step: Step, now: number, retentionDays: number, rolledUp: RolledUp): number {
  const before = minuteOf(now) - (keptDays[step] ?? retentionDays) * dayMinutes - step + 1
  const longer = steps[steps.indexOf(step) + 1]
  return longer === undefined ? before : Math.min(before, rolledUp[longer] ?? 0)
}

/**
 * Removes roll-ups that are older than they are kept, in batches.
 *
 * @param now Unix milliseconds
 * @param retentionDays of hours and days; minutes are kept for two days and quarters of an hour for eight
 * @returns how many rows
 */
export async function removeOldStats(
  session: Queryable,
  now: number,
  retentionDays: number,
  logger: Logger,
  signal: AbortSignal,
): Promise<number> {
  const rolledUp = await readRolledUp(session)
  let removed = 0
  for (const step of steps) {
    const before = tooOldBefore(step, now, retentionDays, rolledUp)
    if (!(await hasPeriodsBefore(session, step, before))) continue
    for (const { table } of subjects) {
      const options = { name: 'removal of old roll-ups', logger, signal }
      const walked = await inBatches(options, 0, (after, limit) =>
        deleteSomeBefore(session, table, step, before, after, limit),
      )
      removed += walked.rows
      if (!walked.isDone) return removed
    }
    await deleteMarksBefore(session, step, before)
  }
  return removed
}

/** How many rows `removeOldStats` would remove; it reads all of them. */
export async function countOldStats(db: Queryable, now: number, retentionDays: number): Promise<number> {
  const rolledUp = await readRolledUp(db)
  let count = 0
  for (const step of steps) {
    for (const { table } of subjects) {
      count += await countRowsBefore(db, table, step, tooOldBefore(step, now, retentionDays, rolledUp))
    }
  }
  return count
}
