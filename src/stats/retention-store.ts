import type { Batch } from '../platform/batches.ts'
import type { Queryable } from '../platform/postgres.ts'
import type { Subject } from './roll-up-store.ts'
import type { Step } from './steps.ts'

export async function hasPeriodsBefore(db: Queryable, step: Step, before: number): Promise<boolean> {
  const { rows } = await db.query({
    text: 'select from stats_periods where step = $1 and minute < $2 limit 1',
    values: [step, before],
  })
  return rows.length > 0
}

/** Removes up to `limit` rows of periods that begin before `before`, from the period `after` on. */
export async function deleteSomeBefore(
  db: Queryable,
  table: Subject['table'],
  step: Step,
  before: number,
  after: number,
  limit: number,
): Promise<Batch<number>> {
  const { rows } = await db.query<{ rows: number; last: number | null }>({
    text: `
      with gone as (
        delete from ${table} where ctid = any(array(
          select ctid from ${table} where step = $1 and minute >= $3 and minute < $2 order by minute limit $4))
        returning minute)
      select count(*)::int as rows, max(minute) as last from gone`,
    values: [step, before, after, limit],
  })
  return { rows: rows[0]?.rows ?? 0, last: rows[0]?.last ?? undefined }
}

/** Once the rows of these periods are gone. */
export async function deleteMarksBefore(db: Queryable, step: Step, before: number): Promise<void> {
  await db.query({
    text: 'delete from stats_periods where step = $1 and minute < $2',
    values: [step, before],
  })
}

export async function countRowsBefore(
  db: Queryable,
  table: Subject['table'],
  step: Step,
  before: number,
): Promise<number> {
  const { rows } = await db.query<{ count: string }>({
    text: `select count(*) from ${table} where step = $1 and minute < $2`,
    values: [step, before],
  })
  return Number(rows[0]?.count)
}

/** Removes up to `limit` roll-ups of a tenant. @returns how many */
export async function deleteSomeOfTenant(db: Queryable, tenant: string, limit: number): Promise<number> {
  const { rowCount } = await db.query({
    text: `delete from tenant_stats where ctid = any(array(
             select t.ctid from stats_periods p join tenant_stats t
               on t.step = p.step and t.minute = p.minute and t.tenant = $1 limit $2))`,
    values: [tenant, limit],
  })
  return rowCount
}

/** Whether there are roll-ups of a tenant. */
export async function hasRowsOfTenant(db: Queryable, tenant: string): Promise<boolean> {
  const { rows } = await db.query({
    text: `select from stats_periods p join tenant_stats t
             on t.step = p.step and t.minute = p.minute and t.tenant = $1 limit 1`,
    values: [tenant],
  })
  return rows.length > 0
}
