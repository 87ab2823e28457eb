import type { Config } from '../config/config.ts'
import { ensurePartitions, namesKeptMs, type OtherPeriods } from '../log/partitions.ts'
import type { RetentionDeps } from '../log/retention.ts'
import type { RetentionReport } from '../monitor/storage.ts'
import type { Clock } from '../platform/clock.ts'
import { databaseTime } from '../platform/database-time.ts'
import type { Database } from '../platform/postgres.ts'
import { ownPeriods, periodsOf, type RetentionPeriods } from '../tenants/retention.ts'
import type { TenantRetention } from '../tenants/schema.ts'

/** How long each kind is kept, as the settings say. */
export type RetentionSettings = Pick<
  RetentionDeps,
  'retentionHours' | 'detailsHours' | 'auditDays' | keyof OtherPeriods
>

export function retentionSettings(config: Config): RetentionSettings {
  return {
    retentionHours: config.logRetentionHours,
    payloadHours: config.payloadRetentionHours,
    detailsHours: config.detailsRetentionHours,
    namesHours: config.idempotencyRetentionHours,
    auditDays: config.auditRetentionDays,
  }
}

/** How long the log of a tenant is kept, or that of all (null). */
export async function logRetentionMs(
  database: Database,
  config: Config,
  tenant: string | null,
): Promise<number> {
  const ofAll = periodsOfAll(config)
  const own = tenant === null ? [] : await ownPeriods(database, ofAll)
  const { logHours } = own.find(one => one.tenant === tenant)?.periods ?? ofAll
  return logHours * 3_600_000
}

/** How long a tenant keeps its events (milliseconds); undefined: as long as all do. */
export function eventsKeptMs(config: Config, own: TenantRetention | undefined): number | undefined {
  if (own === undefined) return undefined
  return periodsOf(own, periodsOfAll(config)).payloadHours * 3_600_000
}

function periodsOfAll(config: Config): RetentionPeriods {
  const { logRetentionHours: logHours, auditRetentionDays: auditDays } = config
  const { payloadRetentionHours: payloadHours = logHours, detailsRetentionHours: detailsHours = logHours } =
    config
  return { logHours, payloadHours, detailsHours, auditDays }
}

/** The same, as `GET /system/storage` tells it. */
export function retentionReport(config: Config): RetentionReport {
  const { logHours, payloadHours, detailsHours, auditDays } = periodsOfAll(config)
  return {
    log_hours: logHours,
    payload_hours: payloadHours,
    details_hours: detailsHours,
    names_hours: namesKeptMs(logHours, config.idempotencyRetentionHours) / 3_600_000,
    audit_days: auditDays,
  }
}

/** Two clocks that are apart by less find what they need in the partitions for either. */
const nearMs = 1_800_000

/**
 * The moments (Unix milliseconds) that are the present: by the clock of this process, and by the database's where that is far from
 * it, as when it has been put back. Rows are written by both.
 */
export async function presentMoments(database: Database, clock: Clock): Promise<readonly number[]> {
  const [own, itsOwn] = [clock.now(), await databaseTime(database)]
  return Math.abs(own - itsOwn) < nearMs ? [own] : [own, itsOwn]
}

/** Sees that there are partitions for the present, as long as the settings ask for. @returns how many were made */
export async function makePartitions({
  config,
  clock,
  database,
}: {
  readonly config: Config
  readonly clock: Clock
  readonly database: Database
}): Promise<number> {
  const settings = retentionSettings(config)
  const { retentionHours, detailsHours } = settings
  let made = 0
  for (const now of await presentMoments(database, clock))
    made += await ensurePartitions(database, now, retentionHours, detailsHours, settings)
  return made
}
