import type { Uuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'

/** A table of this service, or one partition of it. */
export interface RelationRow {
  readonly name: string
  /** Of a partition: whose it is. */
  readonly parent: string | null
  /** Of a partition: its ids are from this one on, and below that one. */
  readonly from: Uuid | null
  readonly to: Uuid | null
  /** With its indexes. */
  readonly bytes: number
  /** By the last look of the database; null: it has not looked yet. */
  readonly rows: number | null
}

/** All tables in the schema of `events`. Sizes are those of files, so no table is read. */
export async function readRelations(db: Queryable): Promise<readonly RelationRow[]> {
  const { rows } = await db.query<RelationRow>({
    text: `
      select c.relname as name, parent.relname as parent, bound[1] as "from", bound[2] as "to",
             coalesce(pg_total_relation_size(c.oid), 0)::float8 as bytes,
             case when c.reltuples >= 0 then c.reltuples::float8 end as rows
      from pg_class c
      left join pg_inherits i on i.inhrelid = c.oid
      left join pg_class parent on parent.oid = i.inhparent
      left join lateral regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \\(''(.*)''\\) TO \\(''(.*)''\\)')
        as bound on true
      where c.relkind in ('r', 'p')
        and c.relnamespace = (select relnamespace from pg_class where oid = 'events'::regclass)
      order by parent.relname nulls first, bound[1], c.relname`,
  })
  return rows
}

/** Of the whole database, as its files are. */
export async function readDatabaseBytes(db: Queryable): Promise<number> {
  const { rows } = await db.query<{ bytes: number }>({
    text: 'select pg_database_size(current_database())::float8 as bytes',
  })
  return rows[0]?.bytes ?? 0
}
