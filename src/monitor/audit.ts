import type { Queryable } from '../platform/postgres.ts'
import { type MissingDelivery, readAudit, readMissing } from './audit-store.ts'

/** What an audit found. `deliveries` = `final` + `owed` + `missing`. */
export interface AuditReport {
  readonly events: number
  readonly deliveries: number
  /** With a final attempt in the log, and not owed again. */
  readonly final: number
  readonly owed: number
  /** With neither: lost. Must be 0 at any moment, whatever happened. */
  readonly missing: number
  /** The first few of the missing. */
  readonly examples: readonly MissingDelivery[]
}

/**
 * Holds every event's fan-out against what is owed and what is logged as final. One snapshot, so it may run beside
 * a busy service; it reads everything, so it takes minutes on a large log.
 */
export async function audit(db: Queryable): Promise<AuditReport> {
  const counts = await readAudit(db)
  const missing = counts.deliveries - counts.final - counts.owed
  return { ...counts, missing, examples: missing > 0 ? await readMissing(db, 10) : [] }
}
