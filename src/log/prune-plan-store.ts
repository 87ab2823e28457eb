import type { RowsOfTenant } from '../model/rows-of-tenant.ts'
import type { Uuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'

/** From which key on rows are kept: of tenants with periods of their own, and of all others. */
export interface Bounds {
  readonly ofTenants: readonly { readonly tenant: string; readonly before: Uuid }[]
  readonly ofAll: Uuid
}

const own = 'unnest($1::text[], $2::uuid[]) as own (tenant, bound)'
/** The newest bound of all, so that partitions behind it are not read. */
const isOld = (key: string) =>
  `${key} < (select max(b) from unnest(array_append($2::uuid[], $3::uuid)::text[]) as b)::uuid
   and ${key} < coalesce(own.bound, $3::uuid)`

const whose = `(
  select id, tenant from subscriptions union all select id, tenant from subscription_tombstones) as whose`

/** Events that would go: all that are too old and owed to nobody. */
export function countOldEvents(db: Queryable, bounds: Bounds): Promise<readonly RowsOfTenant[]> {
  return count(
    db,
    `select e.tenant, count(*)::float8 as rows, coalesce(sum(pg_column_size(e.payload) + 100), 0)::float8 as bytes
     from events e left join ${own} on own.tenant = e.tenant
     where ${isOld('e.webhook_id')} and not exists (select from owed o where o.webhook_id = e.webhook_id)
     group by e.tenant order by e.tenant`,
    bounds,
  )
}

export function countOldLog(db: Queryable, bounds: Bounds): Promise<readonly RowsOfTenant[]> {
  return count(
    db,
    `select whose.tenant, count(*)::float8 as rows, sum(pg_column_size(l))::float8 as bytes
     from delivery_logs l left join ${whose} on whose.id = l.subscription_id left join ${own} on own.tenant = whose.tenant
     where ${isOld('l.id')}
     group by whose.tenant order by whose.tenant`,
    bounds,
  )
}

export function countOldDetails(db: Queryable, bounds: Bounds): Promise<readonly RowsOfTenant[]> {
  return count(
    db,
    `select whose.tenant, count(*)::float8 as rows,
       sum(pg_column_size(d.request) + coalesce(pg_column_size(d.response), 0) + pg_column_size(d.response_body) + 100)::float8
         as bytes
     from attempt_details d left join delivery_logs l on l.id = d.id
     left join ${whose} on whose.id = l.subscription_id left join ${own} on own.tenant = whose.tenant
     where ${isOld('d.id')}
     group by whose.tenant order by whose.tenant`,
    bounds,
  )
}

export function countOldAudit(db: Queryable, bounds: Bounds): Promise<readonly RowsOfTenant[]> {
  return count(
    db,
    `select a.tenant, count(*)::float8 as rows, sum(pg_column_size(a))::float8 as bytes
     from audit_log a left join ${own} on own.tenant = a.tenant
     where ${isOld('a.id')}
     group by a.tenant order by a.tenant`,
    bounds,
  )
}

export function countOldNames(db: Queryable, bounds: Bounds): Promise<readonly RowsOfTenant[]> {
  return count(
    db,
    `select null::text as tenant, count(*)::float8 as rows, sum(pg_column_size(n))::float8 as bytes
     from taken_names n left join ${own} on own.tenant is null
     where ${isOld('n.period')} having count(*) > 0`,
    bounds,
  )
}

async function count(
  db: Queryable,
  text: string,
  { ofTenants, ofAll }: Bounds,
): Promise<readonly RowsOfTenant[]> {
  const { rows } = await db.query<RowsOfTenant>({
    text,
    values: [ofTenants.map(({ tenant }) => tenant), ofTenants.map(({ before }) => before), ofAll],
  })
  return rows
}

/** What tables take on the disk, with their indexes. */
export async function sizesOf(db: Queryable, names: readonly string[]): Promise<readonly number[]> {
  const { rows } = await db.query<{ bytes: number }>({
    text: `select coalesce(pg_total_relation_size(to_regclass(name)), 0)::float8 as bytes
           from unnest($1::text[]) with ordinality as t (name, place) order by place`,
    values: [[...names]],
  })
  return rows.map(({ bytes }) => bytes)
}
