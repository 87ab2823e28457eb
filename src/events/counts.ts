import { loggedFrom } from '../model/logged-from.ts'
import { uuidTime } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'
import { countDeliveries, type StateCounts } from './counts-store.ts'
import type { DeliveryCounts, EventState, EventSummary } from './schema.ts'
import type { EventRow } from './store.ts'

/** Rows of the log that one statement reads. An event that has more of them is counted by these alone. */
const logRowsMax = 100_000

/** Events as the API shows them, with what became of them. */
export async function summariesOf(
  db: Queryable,
  rows: readonly EventRow[],
): Promise<readonly EventSummary[]> {
  const matched = rows.filter(row => row.fan_out > 0)
  if (matched.length === 0) return rows.map(row => summaryOf(row, undefined))
  const ids = matched.map(({ webhook_id: id }) => ({ id, since: loggedFrom(id) }))
  const { counts, isAll } = await countDeliveries(db, ids, logRowsMax)
  if (!isAll && rows.length > 1) {
    const half = Math.ceil(rows.length / 2)
    return [...(await summariesOf(db, rows.slice(0, half))), ...(await summariesOf(db, rows.slice(half)))]
  }
  return rows.map(row => summaryOf(row, counts.get(row.webhook_id)))
}

function summaryOf(row: EventRow, counts: StateCounts | undefined): EventSummary {
  const deliveries = deliveriesOf(row, counts)
  return {
    webhook_id: row.webhook_id,
    event_id: row.event_id,
    tenant: row.tenant,
    event_type: row.event_type,
    channels: [...(row.channels ?? [])],
    content_type: row.content_type,
    size_bytes: row.size_bytes,
    created_at: new Date(uuidTime(row.webhook_id)).toISOString(),
    deliver_at: row.deliver_at?.toISOString() ?? null,
    payload_expunged_at: row.expunged_at,
    status: stateOf(deliveries),
    deliveries,
  }
}

const none: StateCounts = { success: 0, failed: 0, pending: 0, cancelled: 0 }

function deliveriesOf({ fan_out: fanOut, carried }: EventRow, found: StateCounts = none): DeliveryCounts {
  const known = found.success + found.failed + found.pending + found.cancelled
  // The log of a carried event lacks what was settled before its partition was dropped. Of any other event, what is neither
  // owed nor ended is missing (`webhooks audit`), and is shown as pending, as in its status.
  const missing = carried ? 0 : Math.max(0, fanOut - known)
  return { total: known + missing, ...found, pending: found.pending + missing }
}

function stateOf({ total, success, failed, pending }: DeliveryCounts): EventState {
  if (total === 0) return 'unmatched'
  if (pending > 0) return 'pending'
  if (failed > 0) return 'failed'
  return success > 0 ? 'success' : 'cancelled'
}
