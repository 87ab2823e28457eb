import type { RowsOfTenant } from '../model/rows-of-tenant.ts'
import { earlierNow } from '../platform/database-time.ts'
import { type Uuid, uuidLowerBound } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'
import { type OwnPeriods, ownPeriods, type RetentionPeriods } from '../tenants/retention.ts'
import { isKeptPartition, listPartitions, type Partition, type PartitionedTable } from './partition-store.ts'
import { namesKeptMs, timeOf } from './partitions.ts'
import {
  countOldAudit,
  countOldDetails,
  countOldEvents,
  countOldLog,
  countOldNames,
  sizesOf,
} from './prune-plan-store.ts'
import type { RetentionDeps } from './retention.ts'

/** What one kind of things would lose. */
export interface PrunedKind {
  readonly kind:
    | 'events'
    | 'log'
    | 'details'
    | 'audit log'
    | 'names'
    | 'states'
    | 'figures'
    | 'replays'
    | 'test receivers'
  readonly tenants: readonly RowsOfTenant[]
}

/** What a round of retention would do now. */
export interface PrunePlan {
  readonly kinds: readonly PrunedKind[]
  /** Whole partitions that would go, or be exchanged for what some tenants keep, and what they take on the disk. */
  readonly partitions: readonly { readonly name: string; readonly bytes: number }[]
}

export type PrunePlanDeps = Omit<RetentionDeps, 'database' | 'subscriptions' | 'logger'> & {
  readonly database: Queryable
}

const hourMs = 3_600_000

/**
 * Counts what a round of retention would remove at this moment, by kind and tenant, and changes nothing. It reads all rows
 * that would go, and what is still owed does not count: it stays.
 */
export async function planPrune(deps: PrunePlanDeps): Promise<PrunePlan> {
  const { database, clock } = deps
  const now = await earlierNow(database, clock)
  const own = await ownPeriods(database, periodsOfAll(deps))
  const over: Record<PartitionedTable, readonly Partition[]> = {
    events: await overOf(deps, now, own, 'events', 'payloadHours'),
    delivery_logs: await overOf(deps, now, own, 'delivery_logs', 'logHours'),
    attempt_details: await overOf(deps, now, own, 'attempt_details', 'detailsHours'),
    audit_log: await overOf(deps, now, own, 'audit_log', 'auditDays'),
    taken_names: await namesOver(deps, now),
  }
  const bounds = (table: PartitionedTable, kind: keyof RetentionPeriods) => ({
    ofTenants: own.map(({ tenant, periods }) => {
      return { tenant, before: uuidLowerBound(now - periods[kind] * unitMs(kind)) }
    }),
    ofAll: endOf(over[table]),
  })
  const kinds: readonly PrunedKind[] = [
    { kind: 'events', tenants: await countOldEvents(database, bounds('events', 'payloadHours')) },
    { kind: 'log', tenants: await countOldLog(database, bounds('delivery_logs', 'logHours')) },
    { kind: 'details', tenants: await countOldDetails(database, bounds('attempt_details', 'detailsHours')) },
    { kind: 'audit log', tenants: await countOldAudit(database, bounds('audit_log', 'auditDays')) },
    {
      kind: 'names',
      tenants: await countOldNames(database, { ofTenants: [], ofAll: endOf(over.taken_names) }),
    },
  ]
  const names = Object.values(over).flatMap(partitions => partitions.map(({ name }) => name))
  const bytes = await sizesOf(database, names)
  return { kinds, partitions: names.map((name, index) => ({ name, bytes: bytes[index] ?? 0 })) }
}

/** As the settings say. */
function periodsOfAll(deps: PrunePlanDeps): RetentionPeriods {
  const { retentionHours: logHours, auditDays, payloadHours = logHours, detailsHours = logHours } = deps
  return { logHours, payloadHours, detailsHours, auditDays }
}

async function overOf(
  deps: PrunePlanDeps,
  now: number,
  own: readonly OwnPeriods[],
  table: PartitionedTable,
  kind: keyof RetentionPeriods,
): Promise<readonly Partition[]> {
  const ofAll = periodsOfAll(deps)[kind]
  const longest = Math.max(ofAll, ...own.map(({ periods }) => periods[kind]))
  const before = (units: number) => now - units * unitMs(kind)
  return (await listPartitions(deps.database, table)).filter(
    ({ name, to }) => timeOf(to) <= before(isKeptPartition(name) ? longest : ofAll),
  )
}

async function namesOver(
  { database, retentionHours, namesHours }: PrunePlanDeps,
  now: number,
): Promise<readonly Partition[]> {
  const before = now - namesKeptMs(retentionHours, namesHours)
  return (await listPartitions(database, 'taken_names')).filter(({ to }) => timeOf(to) <= before)
}

/** Where the last of them ends that is of all tenants. */
function endOf(partitions: readonly Partition[]): Uuid {
  return partitions.findLast(({ name }) => !isKeptPartition(name))?.to ?? uuidLowerBound(0)
}

function unitMs(kind: keyof RetentionPeriods): number {
  return kind === 'auditDays' ? 24 * hourMs : hourMs
}
