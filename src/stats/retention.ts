import type { RowsOfTenant } from '../model/rows-of-tenant.ts'
import { inBatches } from '../platform/batches.ts'
import type { Logger } from '../platform/logger.ts'
import type { Queryable } from '../platform/postgres.ts'
import type { OwnStatsDays } from '../tenants/retention.ts'
import {
  countRowsBefore,
  deleteMarksBefore,
  deleteOwnBefore,
  deleteSomeBefore,
  hasPeriodsBefore,
  type KeptFrom,
} from './retention-store.ts'
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

/** What is kept for how long, by the hour and by the day. */
export interface StatsPeriods {
  /** Unix milliseconds. */
  readonly now: number
  readonly retentionDays: number
  /** Tenants that keep theirs for another time. */
  readonly own: readonly OwnStatsDays[]
}

/** Before which minutes the periods of a step are too old. */
function boundsOf(step: Step, { now, retentionDays, own }: StatsPeriods, rolledUp: RolledUp): KeptFrom {
  // The shorter periods are kept for the same time of all.
  const others = keptDays[step] === undefined ? own : []
  return {
    ofTenants: others.map(({ tenant, days }) => ({
      tenant,
      minute: tooOldBefore(step, now, days, rolledUp),
    })),
    ofAll: tooOldBefore(step, now, retentionDays, rolledUp),
  }
}

/**
 * Removes roll-ups that are older than they are kept, in batches. Minutes are kept for two days and quarters of an hour for
 * eight; hours and days as the setting says, or the tenant. What is summed over all tenants is kept as of all.
 *
 * @returns how many rows
 */
export async function removeOldStats(
  session: Queryable,
  periods: StatsPeriods,
  logger: Logger,
  signal: AbortSignal,
): Promise<number> {
  const rolledUp = await readRolledUp(session, minuteOf(periods.now))
  const options = { name: 'removal of old roll-ups', logger, signal }
  let removed = 0
  for (const step of steps) {
    const bounds = boundsOf(step, periods, rolledUp)
    for (const { tenant, minute } of bounds.ofTenants) {
      const { isDone } = await inBatches(options, 0, async (_, limit) => {
        const page = await deleteOwnBefore(session, tenant, step, minute, Math.ceil(limit / rowsOfPeriod))
        removed += page.removed
        return { rows: page.rows * rowsOfPeriod, last: 0 }
      })
      if (!isDone) return removed
    }
    const walked = await removeOfAll(session, step, bounds, options)
    removed += walked.rows
    if (!walked.isDone) return removed
  }
  return removed
}

/** About; a period of a tenant with many subscriptions has more. */
const rowsOfPeriod = 20

async function removeOfAll(
  session: Queryable,
  step: Step,
  { ofAll, ofTenants }: KeptFrom,
  options: Parameters<typeof inBatches>[0],
): Promise<{ readonly rows: number; readonly isDone: boolean }> {
  let rows = 0
  if (!(await hasPeriodsBefore(session, step, ofAll))) return { rows, isDone: true }
  const keepers = ofTenants.filter(({ minute }) => minute < ofAll)
  for (const { table } of subjects) {
    const walked = await inBatches(options, 0, (after, limit) =>
      deleteSomeBefore(
        session,
        table,
        step,
        ofAll,
        after,
        limit,
        keepers.map(({ tenant }) => tenant),
      ),
    )
    rows += walked.rows
    if (!walked.isDone) return { rows, isDone: false }
  }
  await deleteMarksBefore(session, step, Math.min(ofAll, ...keepers.map(({ minute }) => minute)))
  return { rows, isDone: true }
}

/** The rows that `removeOldStats` would remove, by tenant; it reads all of them. */
export async function countOldStats(db: Queryable, periods: StatsPeriods): Promise<readonly RowsOfTenant[]> {
  const rolledUp = await readRolledUp(db, minuteOf(periods.now))
  const counted: RowsOfTenant[] = []
  for (const step of steps) {
    for (const { table } of subjects)
      counted.push(...(await countRowsBefore(db, table, step, boundsOf(step, periods, rolledUp))))
  }
  const byTenant = Map.groupBy(counted, ({ tenant }) => tenant)
  const sum = (rows: readonly RowsOfTenant[], of: 'rows' | 'bytes') =>
    rows.reduce((all, row) => all + row[of], 0)
  return [...byTenant].map(([tenant, rows]) => ({
    tenant,
    rows: sum(rows, 'rows'),
    bytes: sum(rows, 'bytes'),
  }))
}
