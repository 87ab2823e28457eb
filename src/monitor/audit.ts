import type { Queryable } from '../platform/postgres.ts'
import { type MissingDelivery, readAudit, readMissing } from './audit-store.ts'

/** What an audit found. `deliveries` = `final` + `owed` + `missing`. */
export interface AuditReport {
  readonly events: number
  readonly deliveries: number
  /** With a final attempt in the log, and not owed. */
  readonly final: number
  readonly owed: number
  /** With neither: lost. Must always be 0. */
  readonly missing: number
  /** At most 10 of the missing ones. */
  readonly examples: readonly MissingDelivery[]
}

/**
 * Compares the subscriptions of every event with the owed rows and the final attempts in the log. The counts come from
 * one snapshot, so it may run beside a busy service. It reads everything, which takes minutes on a large log.
 */
export async function audit(db: Queryable): Promise<AuditReport> {
  const counts = await readAudit(db)
  const missing = counts.deliveries - counts.final - counts.owed
  return { ...counts, missing, examples: missing > 0 ? await readMissing(db, 10) : [] }
}
