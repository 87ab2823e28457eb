import type { Config } from '../config/config.ts'
import { ensurePartitions, type OtherPeriods } from '../log/partitions.ts'
import type { RetentionDeps } from '../log/retention.ts'
import type { Clock } from '../platform/clock.ts'
import type { Database } from '../platform/postgres.ts'

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

/** Sees that there are partitions for the present, as long as the settings ask for. @returns how many were made */
export function makePartitions({
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
  return ensurePartitions(database, clock.now(), retentionHours, detailsHours, settings)
}
