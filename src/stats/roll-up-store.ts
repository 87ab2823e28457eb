import { type Uuid, uuidLowerBound } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'
import {
  cellKey,
  cellValues,
  countOfCell,
  failedCount,
  isAttempt,
  keyOfCell,
  packedCells,
  successCount,
  tenantOf,
} from './counting-sql.ts'
import {
  finerStep,
  type LongerStep,
  longerSteps,
  minuteMs,
  type RolledUp,
  type Step,
  steps,
} from './steps.ts'

/**
 * How far each step is rolled up.
 *
 * @param before a minute: periods that end after it are left out, as they were made while the clock was ahead (`made-ahead.ts`)
 */
export async function readRolledUp(db: Queryable, before?: number): Promise<RolledUp> {
  const { rows } = await db.query<{ step: Step; until: number | null }>({
    text: `
      select step, (
        select p.minute + p.step from stats_periods p where p.step = s.step and p.minute <= coalesce($2::int4, 2147483647) - s.step
        order by p.minute desc limit 1) as until
      from unnest($1::int2[]) as s (step)`,
    values: [steps, before ?? null],
  })
  return Object.fromEntries(rows.flatMap(({ step, until }) => (until === null ? [] : [[step, until]])))
}

/** The first row of the log from an id on. */
export async function readFirstLogged(db: Queryable, from: Uuid): Promise<Uuid | undefined> {
  const { rows } = await db.query<{ id: Uuid }>({
    text: 'select id from delivery_logs where id >= $1 order by id limit 1',
    values: [from],
  })
  return rows[0]?.id
}

const boundOf = (minute: number) => uuidLowerBound(minute * minuteMs)

/** How many rows the log has of each of these minutes. */
export async function countLogged(
  db: Queryable,
  minutes: readonly number[],
): Promise<ReadonlyMap<number, number>> {
  const { rows } = await db.query<{ minute: number; count: number }>({
    text: `
      select minute, (select count(*)::float8 from delivery_logs where id >= m.begin and id < m.end) as count
      from unnest($1::int4[], $2::uuid[], $3::uuid[]) as m (minute, begin, "end")`,
    values: [minutes, minutes.map(boundOf), minutes.map(minute => boundOf(minute + 1))],
  })
  return new Map(rows.map(({ minute, count }) => [minute, count]))
}

// Null also for a tenant that is deleted: what it had is being removed, and must not come back.
const ownerOf = (id: string) => `(
  select t.id from tenants t where t.deleted_at is null and t.id = ${tenantOf(id)})`

// One pass over the log. What it has besides attempts is under the key null: it is counted, and no more.
const insertMinutes = `
  with cells as materialized (
    select $5::int4 - 1 + width_bucket(id, $6::uuid[]) as minute, subscription_id,
      case when ${isAttempt} then ${cellKey} end as key, count(*) as n,
      count(*) filter (where verdict = 'given_up') as given_up,
      max("timestamp") filter (where status = 'success') as last_success_at
    from delivery_logs where id >= $3 and id < $4 group by 1, 2, 3),
  attempts as materialized (select * from cells where key is not null),
  owners as materialized (
    select subscription_id, ${ownerOf('a.subscription_id')} as tenant
    from (select distinct subscription_id from attempts) a),
  by_subscription as (
    insert into subscription_stats (step, minute, subscription_id, success, failed, given_up, last_success_at, cells)
    select 1, minute, subscription_id, ${successCount}, ${failedCount}, sum(given_up), max(last_success_at), ${packedCells}
    from attempts group by minute, subscription_id),
  of_tenants as (
    select minute, case when grouping(tenant) = 1 then '*' else tenant end as tenant, key, sum(n)::bigint as n,
      sum(given_up) as given_up, max(last_success_at) as last_success_at
    from attempts join owners using (subscription_id) group by grouping sets ((minute, tenant, key), (minute, key))),
  by_tenant as (
    insert into tenant_stats (step, minute, tenant, success, failed, given_up, last_success_at, cells)
    select 1, minute, tenant, ${successCount}, ${failedCount}, sum(given_up), max(last_success_at), ${packedCells}
    from of_tenants where tenant is not null group by minute, tenant)
  insert into stats_periods (step, minute, log_rows, checks)
  select 1, m.minute, coalesce(c.rows, 0), m.checks
  from unnest($7::int4[], $8::int2[]) as m (minute, checks)
  left join (select minute, sum(n) as rows from cells group by minute) c on c.minute = m.minute
  on conflict (step, minute) do update set log_rows = excluded.log_rows`

/**
 * Makes the rows of some minutes that follow each other from the log, in place of those that are there, and remembers how
 * many rows the log had.
 *
 * @param tx an open transaction
 * @param checks for each of them: how often its log need not be counted again any more
 */
export async function rollUpMinutes(tx: Queryable, from: number, checks: readonly number[]): Promise<void> {
  const minutes = checks.map((_, index) => from + index)
  await deletePeriods(tx, 1, minutes)
  await tx.query({
    text: insertMinutes,
    values: [
      ...cellValues,
      boundOf(from),
      boundOf(from + minutes.length),
      from,
      minutes.map(boundOf),
      minutes,
      checks,
    ],
  })
  await tx.query({
    text: `update stats_periods p set is_stale = true
           from (select distinct s.step, m.minute / s.step * s.step as minute
                 from unnest($1::int4[]) as m (minute) cross join unnest($2::int2[]) as s (step)) l
           where p.step = l.step and p.minute = l.minute`,
    values: [minutes, longerSteps],
  })
}

async function deletePeriods(tx: Queryable, step: Step, minutes: readonly number[]): Promise<void> {
  for (const { table } of subjects) {
    await tx.query({
      text: `delete from ${table} where step = $1 and minute = any($2::int4[])`,
      values: [step, minutes],
    })
  }
}

/** The tables of roll-ups, and the column that says whose a row is, which its key ends with. */
export const subjects = [
  { table: 'subscription_stats', key: 'subscription_id', type: 'int4', count: 'int4', beforeAll: 0 },
  { table: 'tenant_stats', key: 'tenant', type: 'text', count: 'int8', beforeAll: '' },
] as const
export type Subject = (typeof subjects)[number]
export type SubjectKey = string | number

/** Periods of the same length that follow each other. */
export interface Span {
  readonly step: LongerStep
  readonly minute: number
  readonly count: number
}

/**
 * Where a batch of longer periods ends: at most this many rows of each of their parts lie between `after` and there.
 *
 * @returns undefined when the rest is one batch
 */
export async function readBatchEnd(
  db: Queryable,
  { table, key, type }: Subject,
  span: Span,
  after: SubjectKey,
  rowsMax: number,
): Promise<SubjectKey | undefined> {
  const { rows } = await db.query<{ end: SubjectKey | null }>({
    text: `
      select min(b.key) as "end" from unnest($2::int4[]) as m (minute) cross join lateral (
        select s.${key} as key from ${table} s where s.step = $1 and s.minute = m.minute and s.${key} > $3::${type}
        order by s.${key} offset $4 limit 1) b`,
    values: [finerStep[span.step], partsOf(span), after, rowsMax],
  })
  return rows[0]?.end ?? undefined
}

/**
 * Makes the rows of longer periods from those of their parts, of the keys after `after` up to `end`. Sums and cells are grouped
 * together: joined, PostgreSQL expects one row where statistics are old, and compares each with each (once by hand, 8 s for 1,000
 * subscriptions, and 0.2 s so).
 */
export async function combineRows(
  tx: Queryable,
  { table, key, type, count }: Subject,
  span: Span,
  after: SubjectKey,
  end: SubjectKey | undefined,
): Promise<void> {
  const isInBatch = `${key} > $3::${type} and ($4::${type} is null or ${key} <= $4::${type})`
  await tx.query({
    text: `delete from ${table} where step = $1 and minute = any($2::int4[]) and ${isInBatch}`,
    values: [span.step, minutesOf(span), after, end ?? null],
  })
  await tx.query({
    text: `
      with parts as materialized (
        select *, minute / $5::int4 * $5 as begin from ${table}
        where step = $1 and minute = any($2::int4[]) and ${isInBatch}),
      keys as (
        select begin, ${key}, key, sum(n)::bigint as n, sum(success) as success, sum(failed) as failed, sum(given_up) as given_up,
          max(last_success_at) as last_success_at
        from (
          select begin, ${key}, ${keyOfCell} as key, ${countOfCell} as n, null::int8 as success, null::int8 as failed,
            null::int8 as given_up, null::timestamptz as last_success_at
          from parts cross join unnest(cells) as c (cell)
          union all
          select begin, ${key}, null, null, success, failed, given_up, last_success_at from parts) p
        group by 1, 2, 3)
      insert into ${table} (step, minute, ${key}, success, failed, given_up, last_success_at, cells)
      select $5::int2, begin, ${key}, sum(success)::${count}, sum(failed)::${count}, sum(given_up)::${count},
        max(last_success_at), ${packedCells} filter (where key is not null)
      from keys group by begin, ${key}`,
    values: [finerStep[span.step], partsOf(span), after, end ?? null, span.step],
  })
}

function minutesOf({ step, minute, count }: Span): readonly number[] {
  return Array.from({ length: count }, (_, index) => minute + index * step)
}

function partsOf({ step, minute, count }: Span): readonly number[] {
  const finer = finerStep[step]
  return Array.from({ length: (count * step) / finer }, (_, index) => minute + index * finer)
}

/** Longer periods are made. */
export async function markMade(db: Queryable, span: Span): Promise<void> {
  await db.query({
    text: `insert into stats_periods (step, minute) select $1, minute from unnest($2::int4[]) as m (minute)
           on conflict (step, minute) do update set is_stale = false`,
    values: [span.step, minutesOf(span)],
  })
}

/** The first period of a step from a minute on. */
export async function readFirstPeriod(db: Queryable, step: Step, from: number): Promise<number | undefined> {
  const { rows } = await db.query<{ minute: number }>({
    text: 'select minute from stats_periods where step = $1 and minute >= $2 order by minute limit 1',
    values: [step, from],
  })
  return rows[0]?.minute
}

/** Periods of a step that are to be made again. */
export async function readStale(db: Queryable, step: Step): Promise<readonly number[]> {
  const { rows } = await db.query<{ minute: number }>({
    text: 'select minute from stats_periods where step = $1 and is_stale order by minute',
    values: [step],
  })
  return rows.map(({ minute }) => minute)
}

/** Periods of a step that are not over at the minute `target`, and begin at `from` or later, or are empty. */
export async function readPeriodsNotOver(
  db: Queryable,
  step: Step,
  target: number,
  from: number,
): Promise<readonly number[]> {
  const { rows } = await db.query<{ minute: number }>({
    text: `
      select minute from stats_periods p
      where step = $1 and minute > $2::int4 - $1::int2 and (
        minute >= $3 or not exists (select from tenant_stats t where t.step = p.step and t.minute = p.minute))
      order by minute`,
    values: [step, target, from],
  })
  return rows.map(({ minute }) => minute)
}

/** Removes periods as if they had not been made. @param tx an open transaction */
export async function forgetPeriods(tx: Queryable, step: Step, minutes: readonly number[]): Promise<void> {
  await deletePeriods(tx, step, minutes)
  await tx.query({
    text: 'delete from stats_periods where step = $1 and minute = any($2::int4[])',
    values: [step, minutes],
  })
}

/** The log of minutes is counted again, from a minute on, as if they had just been made. */
export async function uncheck(db: Queryable, from: number): Promise<void> {
  await db.query({
    text: 'update stats_periods set checks = 0 where step = 1 and minute >= $1 and checks > 0',
    values: [from],
  })
}

export interface RolledMinute {
  readonly minute: number
  readonly log_rows: number
}

/** Minutes that are rolled up, from a minute on. */
export async function readMinutesFrom(db: Queryable, from: number): Promise<readonly RolledMinute[]> {
  const { rows } = await db.query<RolledMinute>({
    text: `select minute, coalesce(log_rows, 0)::float8 as log_rows from stats_periods
           where step = 1 and minute >= $1 order by minute`,
    values: [from],
  })
  return rows
}

/**
 * Minutes whose log is to be counted again.
 *
 * @param before for each number of checks made so far: minutes before this one are to be checked once more
 */
export async function readToCheck(
  db: Queryable,
  before: readonly number[],
): Promise<readonly RolledMinute[]> {
  const { rows } = await db.query<RolledMinute>({
    text: `
      select minute, coalesce(log_rows, 0)::float8 as log_rows from stats_periods
      where step = 1 and checks < cardinality($1::int4[]) and minute < ($1::int4[])[checks + 1]
      order by minute`,
    values: [before],
  })
  return rows
}

/** @param checks for each: how many were due by now */
export async function markChecked(
  db: Queryable,
  minutes: readonly number[],
  checks: readonly number[],
): Promise<void> {
  await db.query({
    text: `update stats_periods p set checks = m.checks from unnest($1::int4[], $2::int2[]) as m (minute, checks)
           where p.step = 1 and p.minute = m.minute`,
    values: [minutes, checks],
  })
}
