import type { EventMetadata } from '../model/delivery.ts'
import type { Uuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'
import { insertManyEvents } from './store.ts'

/** An event that the service makes itself. */
export interface OwnEvent {
  readonly webhookId: Uuid
  readonly tenant: string
  readonly eventType: string
  readonly payload: Buffer
  readonly metadata: EventMetadata
  /** Whom it is owed to. */
  readonly subscriptionIds: readonly number[]
}

/**
 * Writes events of JSON with all they owe, in a transaction of the caller: for events that are to be written together with
 * what they tell of. They wait in the lanes of their subscriptions, so ring the bell after the commit.
 *
 * @param tx the open transaction
 * @param acceptedAt Unix milliseconds
 * @throws 23514 where there is no partition for this time
 */
export async function writeOwnEvents(
  tx: Queryable,
  events: readonly OwnEvent[],
  acceptedAt: number,
): Promise<void> {
  if (events.length === 0) return
  const rows = events.map(event => ({ ...event, contentType: 'application/json' }))
  const owed = events.flatMap(({ webhookId, subscriptionIds, payload }) =>
    subscriptionIds.map(subscriptionId => {
      return { webhookId, subscriptionId, sizeBytes: payload.length, owner: null }
    }),
  )
  await insertManyEvents(tx, rows, owed, acceptedAt)
}
