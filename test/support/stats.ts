import assert from 'node:assert/strict'
import { type AttemptEntry, recordAttempts } from '../../src/log/store.ts'
import { type ErrorClass, errorClasses } from '../../src/model/outcome.ts'
import { type Uuid, uuidTime, uuidV7Source } from '../../src/platform/id.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import type { Database, Queryable } from '../../src/platform/postgres.ts'
import { RollUps } from '../../src/stats/roll-up.ts'
import { minuteOf, periodOf, type Step } from '../../src/stats/steps.ts'
import type { FakeClock } from './clock.ts'

/** What a test says of an attempt; the rest is filled in. */
export interface Attempted {
  readonly at: number
  readonly subscriptionId?: number
  readonly errorClass?: ErrorClass
  readonly givenUp?: boolean
  readonly durationMs?: number | null
  readonly trigger?: AttemptEntry['trigger']
}

/** Logs attempts as the log does it, each at its time. */
export async function logAttempts(db: Queryable, attempts: readonly Attempted[]): Promise<void> {
  await recordAttempts(db, 0, attempts.map(entryOf), [])
}

function entryOf(attempted: Attempted): AttemptEntry {
  const { at, subscriptionId = 1, errorClass, givenUp = false, durationMs = 20, trigger } = attempted
  const newId = uuidV7Source({ now: () => at })
  const failed = errorClass !== undefined
  return {
    id: newId(),
    subscriptionId,
    webhookId: newId(),
    timestamp: at - 10,
    attempt: 1,
    status: failed ? 'failed' : 'success',
    verdict: failed ? (givenUp ? 'given_up' : 'retry') : 'delivered',
    httpStatus: null,
    durationMs,
    nextAt: null,
    error: failed ? errorClass : null,
    errorClass: errorClass ?? null,
    ...(trigger && { trigger }),
  }
}

/** Attempts at random times of a range, to some subscriptions; one in five fails. */
export function randomAttempts(
  random: () => number,
  count: number,
  from: number,
  to: number,
  subscriptionIds: readonly number[],
): readonly Attempted[] {
  const of = <T>(list: readonly T[]) => list[Math.floor(random() * list.length)]
  return Array.from({ length: count }, () => ({
    at: Math.floor(from + random() * (to - from)),
    subscriptionId: of(subscriptionIds) ?? 1,
    durationMs: Math.floor(Math.exp(random() * 10)),
    ...(random() < 0.2 && { errorClass: of(errorClasses), givenUp: random() < 0.5 }),
  })) as readonly Attempted[]
}

/** A row of the log, and the figures that one reads off it without any roll-up. */
interface LoggedRow {
  readonly id: Uuid
  readonly subscription_id: number
  readonly tenant: string | null
  readonly status: 'success' | 'failed'
  readonly verdict: string
  readonly error_class: string | null
  readonly duration_ms: number | null
  readonly trigger: string
  readonly at_ms: number
}

/** Sums as they are stored, but durations exact. */
export interface ExactFigures {
  success: number
  failed: number
  givenUp: number
  lastSuccessAt: number | null
  byClass: Record<string, number>
  durations: number[]
}

export async function readLogged(db: Queryable): Promise<readonly LoggedRow[]> {
  const { rows } = await db.query<LoggedRow>({
    text: `select l.id, l.subscription_id, s.tenant, l.status::text, l.verdict::text, l.error_class, l.duration_ms,
             l.trigger::text, (extract(epoch from l.timestamp) * 1000)::float8 as at_ms
           from delivery_logs l left join (
             select id, tenant from subscriptions union all select id, tenant from subscription_tombstones) s
             on s.id = l.subscription_id
           order by l.id`,
  })
  return rows
}

/** The figures of the attempts among rows of the log. */
export function exactly(rows: readonly LoggedRow[]): ExactFigures {
  const found: ExactFigures = {
    ...{ success: 0, failed: 0, givenUp: 0, lastSuccessAt: null },
    byClass: {},
    durations: [],
  }
  for (const row of rows) {
    if (row.duration_ms === null || row.trigger === 'test') continue
    found.durations.push(row.duration_ms)
    if (row.status === 'success') {
      found.success++
      found.lastSuccessAt = Math.max(found.lastSuccessAt ?? 0, row.at_ms)
      continue
    }
    found.failed++
    if (row.verdict === 'given_up') found.givenUp++
    const name = row.error_class ?? 'unknown'
    found.byClass[name] = (found.byClass[name] ?? 0) + 1
  }
  found.durations.sort((a, b) => a - b)
  return found
}

/** The exact percentile by nearest rank. */
export function exactPercentile(sorted: readonly number[], share: number): number | null {
  return sorted[Math.max(1, Math.ceil(sorted.length * share)) - 1] ?? null
}

/** One row of roll-ups, of whatever table. */
interface StoredRow {
  readonly step: Step
  readonly minute: number
  readonly whose: string
  readonly success: number
  readonly failed: number
  readonly given_up: number
  readonly last_success_ms: number | null
  /** Attempts in all cells. */
  readonly in_cells: number
}

/** All roll-ups of a step, by whose they are and their minute. */
export async function storedRollUps(db: Queryable, step: Step): Promise<readonly StoredRow[]> {
  const columns = `success::float8, failed::float8, given_up::float8,
    (extract(epoch from last_success_at) * 1000)::float8 as last_success_ms,
    (select sum(c & 68719476735)::float8 from unnest(cells) c) as in_cells`
  const { rows } = await db.query<StoredRow>({
    text: `
      select step, minute, 'subscription ' || subscription_id as whose, ${columns} from subscription_stats where step = $1
      union all select step, minute, 'tenant ' || tenant, ${columns} from tenant_stats where step = $1
      order by 3, 2`,
    values: [step],
  })
  return rows
}

/** The same as they have to be: counted from the log, of periods that end at or before `until` (a minute). */
export async function expectedRollUps(
  db: Queryable,
  step: Step,
  until: number,
): Promise<readonly StoredRow[]> {
  const groups = new Map<string, LoggedRow[]>()
  for (const row of await readLogged(db)) {
    if (row.duration_ms === null || row.trigger === 'test') continue
    const minute = periodOf(minuteOf(uuidTime(row.id)), step)
    if (minute + step > until) continue
    for (const whose of [`subscription ${row.subscription_id}`, `tenant ${row.tenant}`, 'tenant *']) {
      if (whose === 'tenant null') continue
      const key = `${whose}|${minute}`
      const rows = groups.get(key)
      if (rows === undefined) groups.set(key, [row])
      else rows.push(row)
    }
  }
  const expected = [...groups].map(([key, rows]): StoredRow => {
    const [whose = '', minute] = key.split('|')
    const { success, failed, givenUp, lastSuccessAt } = exactly(rows)
    return {
      ...{ step, minute: Number(minute), whose, success, failed, given_up: givenUp },
      last_success_ms: lastSuccessAt,
      in_cells: success + failed,
    }
  })
  return expected
}

const byKey = (a: StoredRow, b: StoredRow) =>
  a.whose < b.whose ? -1 : a.whose > b.whose ? 1 : a.minute - b.minute

/** For how many days the roll-ups of a step are kept. */
const keptDays = { 1: 2, 15: 8, 60: 90, 1440: 90 }

/** The roll-ups that are kept are what the log says, in each step. @param until they are rolled up to there (a minute) */
export async function assertEqualsLog(db: Queryable, until: number): Promise<void> {
  for (const step of [1, 15, 60, 1440] as const) {
    const isKept = ({ minute }: StoredRow) => minute > until - keptDays[step] * 1440
    assert.deepEqual(
      (await storedRollUps(db, step)).filter(isKept).sort(byKey),
      (await expectedRollUps(db, step, until)).filter(isKept).sort(byKey),
      `periods of ${step} minutes`,
    )
  }
}

export function rollUpsAt(database: Database, clock: FakeClock, statsRetentionDays = 90): RollUps {
  return new RollUps({ database, clock, logger: silentLogger(), logRetentionHours: 72, statsRetentionDays })
}
