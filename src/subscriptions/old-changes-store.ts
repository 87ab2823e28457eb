import type { RowsOfTenant } from '../model/rows-of-tenant.ts'
import type { Batch } from '../platform/batches.ts'
import type { Uuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'

/** Those that are older than an id, by tenant. */
export async function countChangesBefore(db: Queryable, before: Uuid): Promise<readonly RowsOfTenant[]> {
  const { rows } = await db.query<RowsOfTenant>({
    text: `
      select s.tenant, count(*)::float8 as rows, sum(pg_column_size(c))::float8 as bytes
      from subscription_changes c left join (
        select id, tenant from subscriptions union all select id, tenant from subscription_tombstones) s
        on s.id = c.subscription_id
      where c.id < $1 group by s.tenant`,
    values: [before],
  })
  return rows
}

/** Removes the oldest changes of states that are older than an id. */
export async function removeChangesBefore(db: Queryable, before: Uuid, limit: number): Promise<Batch<Uuid>> {
  const { rows } = await db.query<{ rows: number; last: Uuid | null }>({
    text: `
      with page as materialized (select id from subscription_changes where id < $1 order by id limit $2),
      gone as (delete from subscription_changes where id < $1 and id <= (select id from page order by id desc limit 1))
      select count(*)::int as rows, (select id from page order by id desc limit 1) as last from page`,
    values: [before, limit],
  })
  return { rows: rows[0]?.rows ?? 0, last: rows[0]?.last ?? undefined }
}
