import { type Uuid, uuidLowerBound, uuidTime } from '../platform/id.ts'
import { type Database, isDatabaseUnavailable, type Queryable, sqlState } from '../platform/postgres.ts'
import {
  attachPartition,
  createPartition,
  detachPartition,
  dropTable,
  finishDetaching,
  isKeptPartition,
  listChildren,
  listDetached,
  listHalfDetached,
  listPartitions,
  type Partition,
  type PartitionedTable,
  partitionedTables,
  pathTables,
  withPartitionLock,
} from './partition-store.ts'

const hourMs = 3_600_000

/** Partitions exist so far ahead; if nobody makes more for that long (all processes down), the next start does. */
const aheadMs = 6 * hourMs

/**
 * How long a partition is: one hour up to four days of retention, then longer, so that there are never more than
 * about a hundred per table (each costs planning time in a query that cannot be narrowed down to some).
 */
export function partitionMs(retentionHours: number): number {
  return Math.max(1, Math.ceil(retentionHours / 96)) * hourMs
}

/** How long (milliseconds) a name is taken at the least: as long as the log is kept, a day, and as long as is asked for. */
export function namesKeptMs(retentionHours: number, namesHours = 0): number {
  return Math.max(24, Math.ceil(retentionHours), namesHours) * hourMs
}

/** What is kept for another time than the log. */
export interface OtherPeriods {
  /** Events with their payloads, where they are kept for less. */
  readonly payloadHours?: number | undefined
  /** Names that are taken once, where they are kept for longer. */
  readonly namesHours?: number | undefined
}

/**
 * How long the partitions of a table are. A name is looked up in all of its table's partitions, so these are as few as can
 * be: each is as long as names are taken.
 */
function lengthMs(
  table: PartitionedTable,
  retentionHours: number,
  detailsHours: number,
  { payloadHours = retentionHours, namesHours }: OtherPeriods,
): number {
  if (table === 'taken_names') return namesKeptMs(retentionHours, namesHours)
  if (table === 'events') return partitionMs(payloadHours)
  return partitionMs(table === 'attempt_details' ? detailsHours : retentionHours)
}

/** Of the audit log: about twelve, since little is in it, and each has six indexes that a query plans with. */
export function auditPartitionMs(retentionDays: number): number {
  return retentionDays * 2 * hourMs
}

/**
 * Sees that the tables of the path have partitions from one hour ago to six hours ahead of `now`. Safe to call at any
 * time from any process; a partition is created apart and attached, which keeps readers and writers going (creating
 * it as partition would lock the whole table).
 *
 * @param retentionHours of events and the log; `detailsHours` where the details of attempts are kept for less
 * @returns how many were made
 */
export async function ensurePartitions(
  database: Database,
  now: number,
  retentionHours: number,
  detailsHours = retentionHours,
  others: OtherPeriods = {},
): Promise<number> {
  let made = 0
  for (const table of pathTables) {
    const ms = lengthMs(table, retentionHours, detailsHours, others)
    made += await ensureOf(database, table, now, ms, aheadMs)
  }
  return made
}

/**
 * The same for the audit log, a whole partition ahead: what is to be recorded and cannot be is not done, so its partition
 * must be there also where no process has been at work for days.
 */
export function ensureAuditPartitions(
  database: Database,
  now: number,
  retentionDays: number,
): Promise<number> {
  const lengthMs = auditPartitionMs(retentionDays)
  return ensureOf(database, 'audit_log', now, lengthMs, Math.max(lengthMs, aheadMs))
}

async function ensureOf(
  database: Database,
  table: PartitionedTable,
  now: number,
  lengthMs: number,
  untilMs: number,
): Promise<number> {
  let made = 0
  for (const [from, to] of missingRanges(await listPartitions(database, table), now, lengthMs, untilMs)) {
    const name = `${table}_${nameOfTime(from)}`
    const done = await withPartitionLock(database, async tx => {
      // Someone else may have been faster; then the range is there, and this one would overlap it.
      const there = await listPartitions(tx, table)
      if (there.some(partition => partition.name === name || overlaps(partition, from, to))) return false
      await createPartition(tx, table, name)
      await attachPartition(tx, table, name, uuidLowerBound(from), uuidLowerBound(to))
      return true
    })
    if (done) made++
  }
  return made
}

/** Ranges of whole partitions (Unix milliseconds) that are not covered between an hour ago and `untilMs` ahead. */
export function missingRanges(
  partitions: readonly Partition[],
  now: number,
  lengthMs: number,
  untilMs = aheadMs,
): readonly (readonly [from: number, to: number])[] {
  const missing: (readonly [number, number])[] = []
  let from = Math.floor((now - hourMs) / hourMs) * hourMs
  while (from <= now + untilMs) {
    const covering = partitions.find(
      partition => timeOf(partition.from) <= from && from < timeOf(partition.to),
    )
    if (covering) {
      from = timeOf(covering.to)
      continue
    }
    // A later partition may begin before a full length is over, as after a change of the retention.
    const starts = partitions.map(partition => timeOf(partition.from)).filter(start => start > from)
    const to = Math.min(from + lengthMs, ...starts)
    missing.push([from, to])
    from = to
  }
  return missing
}

/** What became of the rows of a partition that others than most keep for longer. */
export type KeptRows =
  /** There are none. */
  | 'none'
  /** They have taken the place of the partition, which is gone. */
  | 'exchanged'
  /** That could not be done now; the next round looks again. */
  | 'not now'

export interface DropOptions {
  /** As `before`, for what was kept of partitions that are gone; the same unless given. */
  readonly keptBefore?: number
  /** Asked before a partition goes. */
  readonly keepRows?: (partition: Partition) => Promise<KeptRows>
}

/**
 * Drops the partitions of a table that end before `before` (Unix milliseconds): no row is touched, however many
 * there are.
 *
 * @returns the names of those dropped
 */
export async function dropPartitions(
  database: Database,
  table: PartitionedTable,
  before: number,
  { keptBefore = before, keepRows = async () => 'none' }: DropOptions = {},
): Promise<readonly string[]> {
  const dropped: string[] = []
  // A long transaction makes detaching take longer than a statement may, or its process died: then it is half done.
  for (const name of await listHalfDetached(database, table)) {
    if (await unlessBusy(finishDetaching(database, table, name))) dropped.push(name)
  }
  for (const partition of await listPartitions(database, table)) {
    const isKept = isKeptPartition(partition.name)
    if (timeOf(partition.to) > (isKept ? keptBefore : before)) continue
    const rows = isKept ? 'none' : await keepRows(partition)
    if (rows === 'exchanged') dropped.push(partition.name)
    if (rows !== 'none') continue
    if (await unlessBusy(detachPartition(database, table, partition.name))) {
      dropped.push(partition.name)
      if (isKept) await dropTable(database, partition.name)
    }
  }
  // Also what an earlier round detached and did not live to drop.
  for (const name of await listDetached(database, table)) await dropTable(database, name)
  return dropped
}

/**
 * When the partitions of a table end (Unix milliseconds) that end before `before` at the latest, oldest first.
 *
 * @param which those of all tenants, or those that were made of what some keep for longer
 */
export async function endsOfPartitions(
  database: Database,
  table: PartitionedTable,
  before: number,
  which: 'of all' | 'kept' = 'of all',
): Promise<readonly number[]> {
  const ends = (await listPartitions(database, table))
    .filter(({ name }) => isKeptPartition(name) === (which === 'kept'))
    .map(partition => timeOf(partition.to))
  return ends.filter(end => end <= before)
}

/**
 * The moment (Unix milliseconds) at which the oldest partition of a table begins; infinity when it has none. What some tenants
 * keep for longer does not count.
 */
export async function oldestMoment(database: Database, table: PartitionedTable): Promise<number> {
  const ofAll = (await listPartitions(database, table)).filter(({ name }) => !isKeptPartition(name))
  return Math.min(...ofAll.map(partition => timeOf(partition.from)))
}

/** From when on events are kept, and the names that they have taken (Unix milliseconds); of all tenants, as `oldestMoment`. */
export async function oldestKept(database: Database): Promise<number> {
  return Math.min(await oldestMoment(database, 'events'), await oldestMoment(database, 'taken_names'))
}

/** @returns false when it cannot be done now; the next round looks again */
export async function unlessBusy(detaching: Promise<unknown>): Promise<boolean> {
  try {
    await detaching
    return true
  } catch (error) {
    // 55P03: it is locked; 42P01, 55000: it is gone, or another one is being detached; 57014: it took too long, since a
    // transaction that began before it is still open.
    if (['55P03', '42P01', '55000', '57014'].includes(stateOf(error) ?? '')) return false
    throw error
  }
}

/** Of an error of the server, also where it was taken for one that says "not now". */
function stateOf(error: unknown): string | undefined {
  return (
    sqlState(error) ??
    (isDatabaseUnavailable(error) && error instanceof Error ? sqlState(error.cause) : undefined)
  )
}

/** The time that a partition is for, in Unix milliseconds: from `from` (included) to `to` (not included). */
export interface Period {
  readonly from: number
  readonly to: number
}

/** For which times a table has partitions, in their order. */
export async function periodsOf(db: Queryable, table: PartitionedTable): Promise<readonly Period[]> {
  return (await listPartitions(db, table)).map(({ from, to }) => ({ from: timeOf(from), to: timeOf(to) }))
}

/** A partition, and the table that it is of. */
export interface PartitionOf extends Partition {
  readonly table: PartitionedTable
}

/** All partitions of all partitioned tables. */
export async function partitionsNow(db: Queryable): Promise<readonly PartitionOf[]> {
  const all: PartitionOf[] = []
  for (const table of partitionedTables) {
    for (const partition of await listPartitions(db, table)) all.push({ ...partition, table })
  }
  return all
}

/**
 * Drops all partitions with all their rows, and makes these, which are empty.
 *
 * @param tx an open transaction; until its end nobody reads or writes the partitioned tables
 */
export async function replacePartitions(tx: Queryable, partitions: readonly PartitionOf[]): Promise<void> {
  for (const table of partitionedTables) {
    for (const name of await listChildren(tx, table)) await dropTable(tx, name)
    for (const name of await listDetached(tx, table)) await dropTable(tx, name)
  }
  for (const { table, name, from, to } of partitions) {
    await createPartition(tx, table, name)
    await attachPartition(tx, table, name, from, to)
  }
}

function overlaps(partition: Partition, from: number, to: number): boolean {
  return timeOf(partition.from) < to && from < timeOf(partition.to)
}

export function timeOf(bound: Uuid): number {
  return uuidTime(bound)
}

/** As it is in the name of a partition: `2026022610`. */
export function nameOfTime(ms: number): string {
  return new Date(ms).toISOString().slice(0, 13).replaceAll(/[-T]/g, '')
}

/** An id that sorts below all of a moment (Unix milliseconds) and of all later ones, and above all that came before. */
export function idBefore(ms: number): Uuid {
  if (ms <= 0) return uuidLowerBound(0)
  return `${uuidLowerBound(ms - 1).slice(0, 13)}-ffff-ffff-ffffffffffff` as Uuid // canonical by construction
}
