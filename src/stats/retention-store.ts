import type { RowsOfTenant } from '../model/rows-of-tenant.ts'
import type { Batch } from '../platform/batches.ts'
import type { Queryable } from '../platform/postgres.ts'
import type { Subject } from './roll-up-store.ts'
import type { Step } from './steps.ts'

/** Of which tenant the rows of each table are. Those of a subscription whose log is gone, too, are nobody's. */
const tenantOf: Readonly<Record<Subject['table'], string>> = {
  tenant_stats: 'r.tenant',
  subscription_stats: `(
    select tenant from subscriptions where id = r.subscription_id union all
    select tenant from subscription_tombstones where id = r.subscription_id limit 1)`,
}

export async function hasPeriodsBefore(db: Queryable, step: Step, before: number): Promise<boolean> {
  const { rows } = await db.query({
    text: 'select from stats_periods where step = $1 and minute < $2 limit 1',
    values: [step, before],
  })
  return rows.length > 0
}

/**
 * Removes up to `limit` rows of periods that begin before `before`, from the period `after` on.
 *
 * @param but tenants whose rows stay
 */
export async function deleteSomeBefore(
  db: Queryable,
  table: Subject['table'],
  step: Step,
  before: number,
  after: number,
  limit: number,
  but: readonly string[] = [],
): Promise<Batch<number>> {
  const others = but.length === 0 ? '' : `and coalesce(${tenantOf[table]} <> all($5::text[]), true)`
  const { rows } = await db.query<{ rows: number; last: number | null }>({
    text: `
      with gone as (
        delete from ${table} where ctid = any(array(
          select ctid from ${table} r where step = $1 and minute >= $3 and minute < $2 ${others} order by minute limit $4))
        returning minute)
      select count(*)::int as rows, max(minute) as last from gone`,
    values: [step, before, after, limit, ...(but.length === 0 ? [] : [but])],
  })
  return { rows: rows[0]?.rows ?? 0, last: rows[0]?.last ?? undefined }
}

/**
 * Removes the rows of a tenant, and of its subscriptions, of up to `limit` periods that begin before `before`. Found by those
 * of the tenant, which go in the same statement: so what is gone is not looked for again.
 *
 * @returns `rows`: how many periods there were
 */
export async function deleteOwnBefore(
  db: Queryable,
  tenant: string,
  step: Step,
  before: number,
  limit: number,
): Promise<{ readonly rows: number; readonly removed: number }> {
  const { rows } = await db.query<{ rows: number; removed: number }>({
    text: `
      with page as materialized (
        select p.minute from stats_periods p
        join tenant_stats t on t.step = p.step and t.minute = p.minute and t.tenant = $1
        where p.step = $2 and p.minute < $3 order by p.minute limit $4),
      own as materialized (
        select id from subscriptions where tenant = $1 union select id from subscription_tombstones where tenant = $1),
      gone as (
        delete from subscription_stats s using page p
        where s.step = $2 and s.minute = p.minute and s.subscription_id in (select id from own) returning 1),
      gone_too as (
        delete from tenant_stats t using page p
        where t.step = $2 and t.minute = p.minute and t.tenant = $1 returning 1)
      select (select count(*)::int from page) as rows,
        (select count(*)::int from gone) + (select count(*)::int from gone_too) as removed`,
    values: [tenant, step, before, limit],
  })
  return rows[0] ?? { rows: 0, removed: 0 }
}

/** Once the rows of these periods are gone. */
export async function deleteMarksBefore(db: Queryable, step: Step, before: number): Promise<void> {
  await db.query({
    text: 'delete from stats_periods where step = $1 and minute < $2',
    values: [step, before],
  })
}

/** From which minute on the rows of a step are kept: of tenants with a time of their own, and of all others. */
export interface KeptFrom {
  readonly ofTenants: readonly { readonly tenant: string; readonly minute: number }[]
  readonly ofAll: number
}

/** The rows that are older, by tenant; null: of all tenants together, or of nobody that is known any more. */
export async function countRowsBefore(
  db: Queryable,
  table: Subject['table'],
  step: Step,
  { ofTenants, ofAll }: KeptFrom,
): Promise<readonly RowsOfTenant[]> {
  const { rows } = await db.query<RowsOfTenant>({
    text: `
      select nullif(w.tenant, '*') as tenant, count(*)::float8 as rows, sum(pg_column_size(r))::float8 as bytes
      from ${table} r
      cross join lateral (select ${tenantOf[table]} as tenant) w
      left join unnest($2::text[], $3::int4[]) as own (tenant, minute) on own.tenant = w.tenant
      where r.step = $1 and r.minute < (select max(m) from unnest(array_append($3::int4[], $4::int4)) as m)
        and r.minute < coalesce(own.minute, $4)
      group by w.tenant`,
    values: [step, ofTenants.map(({ tenant }) => tenant), ofTenants.map(({ minute }) => minute), ofAll],
  })
  return rows
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
