import { type Static, Type } from 'typebox'
import { uuidTime } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'
import { type RelationRow, readDatabaseBytes, readRelations } from './storage-store.ts'

const bytes = Type.Integer({ minimum: 0, description: 'With its indexes' })
const rows = Type.Unsafe<number | null>({
  type: ['integer', 'null'],
  minimum: 0,
  description: 'By the last look of the database; null: it has not looked yet',
})
const hours = (of: string) => Type.Number({ minimum: 0, description: `How many hours ${of} kept` })

const RetentionReport = Type.Object(
  {
    log_hours: hours('attempts are'),
    payload_hours: hours('events and their payloads are'),
    details_hours: hours('requests and answers of attempts are'),
    names_hours: hours('idempotency keys are, at the least,'),
    audit_days: Type.Number({ minimum: 0, description: 'How many days the audit log is kept' }),
  },
  { description: 'As the settings say. A tenant may have others' },
)
export type RetentionReport = Static<typeof RetentionReport>

const PartitionReport = Type.Object({
  name: Type.String(),
  from: Type.String({ format: 'date-time', description: 'It holds what is of this time or later' }),
  to: Type.String({ format: 'date-time', description: 'And before this time' }),
  bytes,
  rows,
})

export const StorageReport = Type.Object(
  {
    database_bytes: Type.Integer({ minimum: 0, description: 'Of the whole database' }),
    tables: Type.Array(
      Type.Object({
        name: Type.String(),
        bytes,
        rows,
        partitions: Type.Array(PartitionReport, {
          description: 'The oldest first; empty where the table has none',
        }),
      }),
      { description: 'The largest first' },
    ),
    retention: RetentionReport,
  },
  { $id: 'StorageReport', description: 'What is stored, and for how long it is kept' },
)
export type StorageReport = Static<typeof StorageReport>

export const SettingReport = Type.Object(
  {
    variable: Type.String({ description: 'The environment variable' }),
    value: Type.String({ description: 'The value in force; the secret part is masked' }),
    is_default: Type.Boolean({ description: 'Whether it is what holds without the variable' }),
  },
  { $id: 'SettingReport', description: 'A setting of the process that answers' },
)
export type SettingReport = Static<typeof SettingReport>

/** The schemas that the OpenAPI document names. */
export const storageSchemas = [StorageReport, SettingReport]

/** The sizes of all tables and their partitions: read from what the database knows of its files, not from the tables. */
export async function readStorage(db: Queryable, retention: RetentionReport): Promise<StorageReport> {
  const relations = await readRelations(db)
  const tables = relations
    .filter(({ parent }) => parent === null)
    .map(table => tableReport(table, relations))
    .sort((a, b) => b.bytes - a.bytes || a.name.localeCompare(b.name))
  return { database_bytes: await readDatabaseBytes(db), tables, retention }
}

function tableReport(table: RelationRow, relations: readonly RelationRow[]): StorageReport['tables'][number] {
  const own = relations.filter(({ parent }) => parent === table.name)
  const sum = (pick: (row: RelationRow) => number | null) =>
    own.reduce<number | null>((total, row) => {
      const value = pick(row)
      return value === null ? total : (total ?? 0) + value
    }, null)
  return {
    name: table.name,
    bytes: sum(row => row.bytes) ?? table.bytes,
    rows: own.length === 0 ? table.rows : sum(row => row.rows),
    partitions: own.flatMap(({ name, from, to, bytes: size, rows: count }) =>
      from === null || to === null
        ? []
        : [{ name, from: timeOf(from), to: timeOf(to), bytes: size, rows: count }],
    ),
  }
}

function timeOf(id: NonNullable<RelationRow['from']>): string {
  return new Date(uuidTime(id)).toISOString()
}
