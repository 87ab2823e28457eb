import { bucketStarts } from './latency.ts'
import { countBits, numberedClasses, unknownClass, wayFactor } from './tally.ts'

// Fragments that statements over the log have in common: what counts as an attempt, and in which cell.

/**
 * What counts: rows of attempts that were made. A delivery that ended without one (cancelled, expired while it waited) has
 * no duration; a test says nothing of the receiver's deliveries.
 */
export const isAttempt = `(duration_ms is not null and trigger <> 'test')`

/**
 * The tenant of a subscription, which may be deleted; null where nothing is left of it. Sub-selects, so that it is a probe for
 * each, and never a join with all subscriptions.
 */
export const tenantOf = (id: string) => `coalesce(
  (select s.tenant from subscriptions s where s.id = ${id}),
  (select g.tenant from subscription_tombstones g where g.id = ${id}))`

/** The key of the cell of a row of the log. Its two parameters are `cellValues`, and are there as `$1` and `$2`. */
export const cellKey = `(
  case status when 'success' then 0
    else coalesce(array_position($2::text[], error_class), ${unknownClass}) end * ${wayFactor}
  + width_bucket(greatest(duration_ms, 0), $1::int4[]) - 1)`

export const cellValues = [bucketStarts, numberedClasses] as const

/** Counts of keys as they are stored. */
export const packedCells = `array_agg((key::bigint << ${countBits}) | n order by key)`

export const keyOfCell = `(cell >> ${countBits})`
export const countOfCell = `(cell & ${2 ** countBits - 1})`

/** How many of them went well, and how many not. */
export const successCount = `coalesce(sum(n) filter (where key < ${wayFactor}), 0)`
export const failedCount = `coalesce(sum(n) filter (where key >= ${wayFactor}), 0)`
