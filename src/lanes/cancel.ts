import type { Reach } from '../model/caller.ts'
import { type Uuid, uuidLowerBound, uuidTime } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'
import { isAttempted, lockOwedOfEvent, readTenantOfEvent } from './cancel-store.ts'
import { endUnsentOfEvent } from './end-owed-store.ts'

/** What the cancelling of an event came to. Only `cancelled` has changed anything. */
export type Cancellation =
  /** Nothing of it is owed any more, and nothing was sent. `deliveries`: how many were owed until now. */
  | { readonly kind: 'cancelled'; readonly tenant: string; readonly deliveries: number }
  /** An attempt of it is in the log, or may be under way at this moment. */
  | { readonly kind: 'sent' }
  | { readonly kind: 'unknown' }

/** The clocks of two processes can differ a little, so the id of an attempt can be older than that of its event. */
const clockSlackMs = 60_000

/**
 * Cancels all deliveries of an event, of which nothing was sent yet; each ends in the log.
 *
 * @param tx the open transaction
 */
export async function cancelEvent(tx: Queryable, reach: Reach, webhookId: Uuid): Promise<Cancellation> {
  const tenant = await readTenantOfEvent(tx, webhookId)
  if (tenant === undefined || !reach.has(tenant)) return { kind: 'unknown' }
  // The log after what is owed: an attempt that ends in between is then found in the log.
  const { begun } = await lockOwedOfEvent(tx, webhookId)
  const since = uuidLowerBound(uuidTime(webhookId) - clockSlackMs)
  if (begun > 0 || (await isAttempted(tx, webhookId, since))) return { kind: 'sent' }
  const deliveries = await endUnsentOfEvent(tx, webhookId, 'the event was cancelled')
  return { kind: 'cancelled', tenant, deliveries }
}
