import type { Uuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'
import { keyOf, type PartitionedTable } from './partition-store.ts'

// Names below are made of the table's name and digits only (`kept-partitions.ts`), so they need no quoting.

/** The rows of these tenants ($4), of the table `t`. A row of the log is its subscription's, or its tombstone's. */
const ofTenants: Readonly<Record<PartitionedTable, string>> = {
  events: 't.tenant = any($4::text[])',
  audit_log: 't.tenant = any($4::text[])',
  delivery_logs: `t.subscription_id in (
    select id from subscriptions where tenant = any($4::text[])
    union all select id from subscription_tombstones where tenant = any($4::text[]))`,
  attempt_details: `exists (
    select from delivery_logs l where l.id = t.id and l.subscription_id in (
      select id from subscriptions where tenant = any($4::text[])
      union all select id from subscription_tombstones where tenant = any($4::text[])))`,
  taken_names: 'false',
}

/**
 * Looks at `limit` rows of a table behind `after` and before `to`, and copies those of these tenants.
 *
 * @param tenants null: all
 */
export async function copyRows(
  db: Queryable,
  table: PartitionedTable,
  kept: string,
  range: { readonly after: Uuid; readonly to: Uuid },
  tenants: readonly string[] | null,
  limit: number,
): Promise<{ readonly rows: number; readonly last: Uuid | undefined; readonly copied: number }> {
  const key = keyOf(table)
  const { rows } = await db.query<{ rows: number; last: Uuid | null; copied: number }>({
    text: `
      with page as materialized (
        select ${key} as key from ${table} where ${key} > $1 and ${key} < $2 order by ${key} limit $3),
      last as materialized (select key from page order by key desc limit 1),
      copied as (
        insert into ${kept}
        select t.* from ${table} t
        where t.${key} > $1 and t.${key} < $2 and t.${key} <= (select key from last)
          and ($4::text[] is null or ${ofTenants[table]})
        returning 1)
      select (select count(*)::int from page) as rows, (select key from last) as last,
        (select count(*)::int from copied) as copied`,
    values: [range.after, range.to, limit, tenants === null ? null : [...tenants]],
  })
  return { rows: rows[0]?.rows ?? 0, last: rows[0]?.last ?? undefined, copied: rows[0]?.copied ?? 0 }
}

/**
 * Sees that a copy has nothing that was removed on request after it was made: payloads, details. Nobody writes to the
 * partition meanwhile.
 */
export async function repeatRemovals(
  tx: Queryable,
  table: PartitionedTable,
  partition: string,
  kept: string,
): Promise<void> {
  if (table !== 'events' && table !== 'attempt_details') return
  const key = keyOf(table)
  await tx.query({
    text: `delete from ${kept} k where not exists (select from ${partition} p where p.${key} = k.${key})
             and k.${key} between (select ${key} from ${partition} order by ${key} limit 1)
                              and (select ${key} from ${partition} order by ${key} desc limit 1)`,
  })
  await tx.query({
    text:
      table === 'events'
        ? `update ${kept} k set payload = p.payload, metadata = p.metadata from ${partition} p
           where p.webhook_id = k.webhook_id and p.metadata ? 'expunged' and not coalesce(k.metadata ? 'expunged', false)`
        : `update ${kept} k set request = p.request, response = p.response, response_body = p.response_body
           from ${partition} p where p.id = k.id
             and (octet_length(p.response_body) <> octet_length(k.response_body)
                  or p.request::text <> k.request::text or p.response::text is distinct from k.response::text)`,
  })
}
