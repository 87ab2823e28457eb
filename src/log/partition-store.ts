import { lockForTransaction } from '../platform/advisory-lock.ts'
import type { Uuid } from '../platform/id.ts'
import type { Database, Queryable } from '../platform/postgres.ts'

/** The tables of the path that are partitioned by UUIDv7, and so by time. */
export const pathTables = ['events', 'delivery_logs', 'attempt_details', 'taken_names'] as const

/** All of them. */
export const partitionedTables = [...pathTables, 'audit_log'] as const
export type PartitionedTable = (typeof partitionedTables)[number]

/** A partition holds ids from `from` (included) to `to` (not included). */
export interface Partition {
  readonly name: string
  readonly from: Uuid
  readonly to: Uuid
}

/**
 * What is left of one or several partitions whose time is over: the rows of tenants that keep theirs for longer. Its name
 * says for which hours it is.
 */
export function isKeptPartition(name: string): boolean {
  return /_k[0-9]{10}_[0-9]{10}$/.test(name)
}

/** Runs work that changes partitions, one at a time among all processes. */
export function withPartitionLock<T>(database: Database, work: (tx: Queryable) => Promise<T>): Promise<T> {
  return database.transaction(async tx => {
    await lockForTransaction(tx, 'partitions')
    return work(tx)
  })
}

/** Of a table that is not there yet, as in a database of an older version: none. */
export async function listPartitions(db: Queryable, table: PartitionedTable): Promise<readonly Partition[]> {
  const { rows } = await db.query<{ name: string; from: Uuid; to: Uuid }>({
    text: `
      select c.relname as name, bound[1] as "from", bound[2] as "to"
      from pg_inherits i
      join pg_class c on c.oid = i.inhrelid
      cross join regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \\(''(.*)''\\) TO \\(''(.*)''\\)') as bound
      where i.inhparent = to_regclass($1) and not i.inhdetachpending
      order by bound[1]`,
    values: [table],
  })
  return rows
}

/** The names of all partitions of a table, whatever their range, quoted where SQL asks for it. */
export async function listChildren(db: Queryable, table: PartitionedTable): Promise<readonly string[]> {
  const { rows } = await db.query<{ name: string }>({
    text: 'select inhrelid::regclass::text as name from pg_inherits where inhparent = to_regclass($1)',
    values: [table],
  })
  return rows.map(({ name }) => name)
}

/** Tables that were partitions of `table` and are detached, but still there. */
export async function listDetached(db: Queryable, table: PartitionedTable): Promise<readonly string[]> {
  const { rows } = await db.query<{ name: string }>({
    text: `
      select c.relname as name from pg_class c
      join pg_class parent on parent.oid = to_regclass($1)
      where c.relkind = 'r' and c.relnamespace = parent.relnamespace
        and c.relname ~ ('^' || parent.relname || '_[0-9]{10}$')
        and not exists (select from pg_inherits i where i.inhrelid = c.oid)`,
    values: [table],
  })
  return rows.map(row => row.name)
}

// Names below are made of the table's name and digits only (`partitions.ts`), so they need no quoting.

export async function createPartition(db: Queryable, table: PartitionedTable, name: string): Promise<void> {
  await db.query({
    text: `
      create table ${name} (like ${table} including all);
      -- Append only and dropped whole: vacuum of inserts finds nothing to clean.
      alter table ${name} set (autovacuum_vacuum_insert_threshold = -1)`,
  })
}

export async function attachPartition(
  db: Queryable,
  table: PartitionedTable,
  name: string,
  from: Uuid,
  to: Uuid,
): Promise<void> {
  await db.query({
    text: `alter table ${table} attach partition ${name} for values from ('${from}') to ('${to}')`,
  })
}

/** Takes a partition out without stopping readers or writers; outside of any transaction, as PostgreSQL asks. */
export async function detachPartition(db: Queryable, table: PartitionedTable, name: string): Promise<void> {
  await db.query({ text: `alter table ${table} detach partition ${name} concurrently` })
}

/** Partitions that were being taken out when that was cut short; until it is finished no other can be taken out. */
export async function listHalfDetached(db: Queryable, table: PartitionedTable): Promise<readonly string[]> {
  const { rows } = await db.query<{ name: string }>({
    text: `
      select c.relname as name from pg_inherits i join pg_class c on c.oid = i.inhrelid
      where i.inhparent = $1::regclass and i.inhdetachpending`,
    values: [table],
  })
  return rows.map(row => row.name)
}

export async function finishDetaching(db: Queryable, table: PartitionedTable, name: string): Promise<void> {
  await db.query({ text: `alter table ${table} detach partition ${name} finalize` })
}

/** The key by which a table is partitioned. */
export function keyOf(table: PartitionedTable): string {
  if (table === 'events') return 'webhook_id'
  return table === 'taken_names' ? 'period' : 'id'
}

/** Makes a table that can take the place of partitions; the condition on its key spares PostgreSQL to look at its rows then. */
export async function createKept(
  db: Queryable,
  table: PartitionedTable,
  name: string,
  { from, to }: Pick<Partition, 'from' | 'to'>,
): Promise<void> {
  const key = keyOf(table)
  await db.query({
    text: `
      create table ${name} (like ${table} including all);
      alter table ${name} add constraint ${name}_range
        check (${key} is not null and ${key} >= '${from}' and ${key} < '${to}')`,
  })
}

/** Tables that were to take the place of partitions, and have not. */
export async function listUnusedKept(db: Queryable, table: PartitionedTable): Promise<readonly string[]> {
  const { rows } = await db.query<{ name: string }>({
    text: `
      select c.relname as name from pg_class c
      join pg_class parent on parent.oid = to_regclass($1)
      where c.relkind = 'r' and c.relnamespace = parent.relnamespace
        and c.relname ~ ('^' || parent.relname || '_k[0-9]{10}_[0-9]{10}$')
        and not exists (select from pg_inherits i where i.inhrelid = c.oid)`,
    values: [table],
  })
  return rows.map(row => row.name)
}

/** Nobody writes to a table until the end of the transaction. */
export async function lockAgainstWrites(tx: Queryable, name: string): Promise<void> {
  await tx.query({ text: `lock table ${name} in share row exclusive mode` })
}

/** Statements of this transaction wait for a lock for no longer. */
export async function waitForLocks(tx: Queryable, ms: number): Promise<void> {
  await tx.query({ text: `set local lock_timeout = ${Math.round(ms)}` })
}

/** In the transaction, so that no reader meets the time between. For its end nobody reads or writes the whole table. */
export async function exchangePartitions(
  tx: Queryable,
  table: PartitionedTable,
  old: readonly string[],
  kept: Partition,
): Promise<void> {
  for (const name of old) await tx.query({ text: `alter table ${table} detach partition ${name}` })
  await attachPartition(tx, table, kept.name, kept.from, kept.to)
}

export async function dropTable(db: Queryable, name: string): Promise<void> {
  await db.query({ text: `drop table if exists ${name}` })
}
