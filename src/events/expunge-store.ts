import type { Uuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'

/**
 * Empties the payload of an event and marks it, wherever it is kept; one that is marked already stays as it is. Retention
 * may be copying the event at this moment: it then holds a lock on the row of `events`, so that table comes first, and the
 * copy is seen by the second statement.
 *
 * @param tx an open transaction
 */
export async function expungePayload(tx: Queryable, webhookId: Uuid): Promise<void> {
  for (const table of ['events', 'events_carried']) {
    await tx.query({
      text: `
        update ${table} set payload = '', metadata = coalesce(metadata, '{}') ||
          jsonb_build_object('expunged', jsonb_build_object('at', to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'size_bytes', octet_length(payload)))
        where webhook_id = $1 and not coalesce(metadata ? 'expunged', false)`,
      values: [webhookId],
    })
  }
}
