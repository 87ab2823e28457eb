import pg from 'pg'
import type { Queryable } from '../platform/postgres.ts'
import type { SequenceLine, TableLine } from './format.ts'

const quoted = (name: string) => pg.escapeIdentifier(name)

/** A table as the catalogue has it. */
export interface TableRow extends TableLine {
  /** Its rows are in its partitions. */
  readonly isPartitioned: boolean
}

/** Those of the tables that are there, in the order given. */
export async function readTables(db: Queryable, names: readonly string[]): Promise<readonly TableRow[]> {
  const { rows } = await db.query<TableRow>({
    text: `
      select c.relname::text as "table", c.relkind = 'p' as "isPartitioned",
        array_agg(a.attname::text order by a.attnum) as columns
      from unnest($1::text[]) with ordinality as wanted (name, place)
      join pg_class c on c.oid = to_regclass(wanted.name)
      join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
      group by c.oid, place order by place`,
    values: [names],
  })
  return rows
}

export async function readMigrationsDone(
  db: Queryable,
): Promise<readonly { readonly name: string; readonly checksum: string }[]> {
  const { rows: there } = await db.query({
    text: "select where to_regclass('schema_migrations') is not null",
  })
  if (there.length === 0) return []
  const { rows } = await db.query<{ name: string; checksum: string }>({
    text: 'select name, checksum from schema_migrations order by name',
  })
  return rows
}

/** The next numbers of all identity columns of these tables. */
export async function readSequences(
  db: Queryable,
  tables: readonly string[],
): Promise<readonly SequenceLine[]> {
  const { rows: columns } = await db.query<{ table: string; column: string; sequence: string }>({
    text: `
      select c.relname::text as "table", a.attname::text as "column",
        pg_get_serial_sequence(c.oid::regclass::text, a.attname) as sequence
      from pg_class c join pg_attribute a on a.attrelid = c.oid
      where c.oid in (select to_regclass(name) from unnest($1::text[]) as name) and a.attidentity <> ''
      order by 1, 2`,
    values: [tables],
  })
  const lines: SequenceLine[] = []
  for (const { table, column, sequence } of columns) {
    const { rows } = await db.query<{ next: string }>({
      text: `select last_value + is_called::int as next from ${sequence}`, // quoted by pg_get_serial_sequence
    })
    lines.push({ table, column, next: Number(rows[0]?.next) })
  }
  return lines
}

/** The number that the next row gets. */
export async function setSequence(db: Queryable, { table, column, next }: SequenceLine): Promise<void> {
  await db.query({
    text: 'select setval(pg_get_serial_sequence($1, $2)::regclass, $3, false)',
    values: [table, column, next],
  })
}

/** Whether a table has a row. */
export async function hasRows(db: Queryable, table: string): Promise<boolean> {
  const { rows } = await db.query({ text: `select from ${quoted(table)} limit 1` })
  return rows.length > 0
}

export async function countTenants(db: Queryable): Promise<number> {
  const { rows } = await db.query<{ count: number }>({
    text: "select count(*)::int as count from tenants where id not in ('default', 'system')",
  })
  return rows[0]?.count ?? 0
}

/** Begins a transaction that sees one state of all tables, to its end. @returns the time of that state (ISO 8601) */
export async function beginSnapshot(db: Queryable): Promise<string> {
  await db.query({ text: 'begin isolation level repeatable read read only' })
  const { rows } = await db.query<{ at: Date }>({ text: 'select clock_timestamp() as at' })
  return rows[0]?.at.toISOString() ?? ''
}

/** Begins the transaction of a restore. Until its end no process can enter itself. @returns those that are alive */
export async function beginRestore(db: Queryable): Promise<readonly string[]> {
  await db.query({ text: 'begin' })
  await db.query({ text: 'lock table processes in access exclusive mode' })
  const { rows } = await db.query<{ process: string }>({
    text: `select format('process %s on %s (version %s)', pid, split_part(host, '/', 1), version) as process
           from processes where heartbeat_at > clock_timestamp() - interval '10 seconds' order by id`,
  })
  return rows.map(({ process }) => process)
}

export async function emptyTables(db: Queryable, tables: readonly string[]): Promise<void> {
  await db.query({ text: `truncate ${tables.map(quoted).join(', ')}` })
}

export async function commit(db: Queryable): Promise<void> {
  await db.query({ text: 'commit' })
}

export async function rollBack(db: Queryable): Promise<void> {
  await db.query({ text: 'rollback' })
}

export async function analyze(db: Queryable, tables: readonly string[]): Promise<void> {
  await db.query({ text: `analyze ${tables.map(quoted).join(', ')}` })
}

export const copyOut = ({ table, columns }: TableLine) =>
  `copy ${quoted(table)} (${columns.map(quoted).join(', ')}) to stdout`

export const copyIn = ({ table, columns }: TableLine) =>
  `copy ${quoted(table)} (${columns.map(quoted).join(', ')}) from stdin`
