import type { FieldError } from '../errors.ts'
import type { Queryable } from '../platform/postgres.ts'
import type { TenantAnswer, TenantRetention } from './schema.ts'
import { markDetailsRemoved, readRetentions } from './store.ts'

/** The kinds that a tenant can have kept for another time than all have, in the order in which they are shown. */
const fields = ['payload_hours', 'log_hours', 'details_hours', 'audit_days', 'stats_days'] as const

/** Applies a merge patch. @returns what is stored: without what is as for all; null where all is */
export function mergedRetention(
  stored: TenantRetention | null,
  patch: TenantRetention | null | undefined,
): TenantRetention | null {
  if (patch === undefined) return stored
  const merged = { ...stored, ...patch }
  const given = fields.flatMap(name =>
    patch === null || merged[name] == null ? [] : [[name, merged[name]] as const],
  )
  return given.length === 0 ? null : Object.fromEntries(given)
}

/** The log says what became of events, so none of the others is kept for longer. */
export function retentionFaults(retention: TenantRetention | null): readonly FieldError[] {
  const log = retention?.log_hours
  if (log == null) return []
  return (['payload_hours', 'details_hours'] as const).flatMap(name => {
    const hours = retention?.[name]
    if (hours == null || hours <= log) return []
    return [
      {
        pointer: `/retention/${name}`,
        detail: `Give at most the ${log} hours of log_hours, or more for that.`,
      },
    ]
  })
}

export function retentionAnswer(stored: TenantRetention | null): TenantAnswer['retention'] {
  return {
    payload_hours: stored?.payload_hours ?? null,
    log_hours: stored?.log_hours ?? null,
    details_hours: stored?.details_hours ?? null,
    audit_days: stored?.audit_days ?? null,
    stats_days: stored?.stats_days ?? null,
  }
}

/** How long each kind that events leave behind is kept, of all tenants or of one; figures: `ownStatsDays`. */
export interface RetentionPeriods {
  readonly payloadHours: number
  readonly logHours: number
  readonly detailsHours: number
  readonly auditDays: number
}

/** A tenant with periods of its own. */
export interface OwnPeriods {
  readonly tenant: string
  readonly periods: RetentionPeriods
  /** No details are left of attempts before then (Unix milliseconds); 0: none were removed yet. */
  readonly detailsRemovedBefore: number
}

/**
 * The tenants with periods of their own. One that is deleted has those of all: what was kept for longer goes.
 *
 * @param ofAll what is as for all is this
 */
export async function ownPeriods(db: Queryable, ofAll: RetentionPeriods): Promise<readonly OwnPeriods[]> {
  return (await readRetentions(db)).map(row => ({
    tenant: row.id,
    periods: periodsOf(row.is_deleted ? {} : row.retention, ofAll),
    detailsRemovedBefore: row.details_removed_before?.getTime() ?? 0,
  }))
}

/** For how many days a tenant keeps its figures. */
export interface OwnStatsDays {
  readonly tenant: string
  readonly days: number
}

/** The tenants that keep their figures for another time than all. One that is deleted has that of all. */
export async function ownStatsDays(db: Queryable): Promise<readonly OwnStatsDays[]> {
  return (await readRetentions(db)).flatMap(({ id, retention, is_deleted }) => {
    const days = is_deleted ? null : retention.stats_days
    return days == null ? [] : [{ tenant: id, days }]
  })
}

/** The log is kept as long as the others at least, also where only they were asked for. */
export function periodsOf(own: TenantRetention, ofAll: RetentionPeriods): RetentionPeriods {
  const { payload_hours: payload, log_hours: log, details_hours: details, audit_days: audit } = own
  const logHours = Math.max(log ?? ofAll.logHours, payload ?? 0, details ?? 0)
  return {
    logHours,
    payloadHours: payload ?? Math.min(ofAll.payloadHours, logHours),
    detailsHours: details ?? Math.min(ofAll.detailsHours, logHours),
    auditDays: audit ?? ofAll.auditDays,
  }
}

/** Of a tenant with periods of its own. @param before Unix milliseconds */
export function detailsRemoved(db: Queryable, tenant: string, before: number): Promise<void> {
  return markDetailsRemoved(db, tenant, before)
}
