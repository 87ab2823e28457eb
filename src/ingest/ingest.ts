import { AppError } from '../errors.ts'
import type { Handover } from '../handover/handover.ts'
import type { Delivery, DeliveryContent, EventMetadata } from '../model/delivery.ts'
import type { Clock } from '../platform/clock.ts'
import type { Uuid } from '../platform/id.ts'
import type { Subscription } from '../subscriptions/subscription.ts'
import type { OwedRow } from './store.ts'
import { CommitUnknown, type EventWriter } from './writer.ts'

/** An event as it came in: parsed, verified and matched. */
export interface IncomingEvent extends DeliveryContent {
  readonly tenant: string
  /** Whom it is owed to. */
  readonly subscriptions: readonly Subscription[]
}

export interface IngestDeps {
  readonly clock: Clock
  readonly newId: () => Uuid
  readonly writer: EventWriter
  readonly handover: Handover
}

/** Accepts events: offers their deliveries, makes all of it durable, and lets whoever took them know. */
export class Ingest {
  readonly #deps: IngestDeps
  #closed = false

  constructor(deps: IngestDeps) {
    this.#deps = deps
  }

  /**
   * Resolves with the event's id once the event and everything it owes are committed.
   *
   * @throws AppError `overloaded` or `database_unavailable` when that cannot be done in time, `shutting_down`
   */
  async accept(event: IncomingEvent): Promise<Uuid> {
    if (this.#closed) throw new AppError('shutting_down', 'The service is stopping; send the event again.')
    const { newId, clock, writer, handover } = this.#deps
    const webhookId = newId()
    const acceptedAt = clock.now()
    const sizeBytes = event.payload.length
    const owed = event.subscriptions.map(subscription => ({
      webhookId,
      subscriptionId: subscription.id,
      sizeBytes,
      owner: handover.offer(subscription, sizeBytes),
    }))
    try {
      await writer.write({
        event: {
          webhookId,
          tenant: event.tenant,
          eventType: event.eventType,
          contentType: event.contentType,
          payload: event.payload,
          metadata: metadataOf(event),
          subscriptionIds: owed.map(row => row.subscriptionId),
        },
        owed,
      })
    } catch (error) {
      const written = error instanceof CommitUnknown ? 'unknown' : 'no'
      for (const row of owed) handover.abort(row, written)
      throw error
    }
    for (const row of owed) handover.commit(row.owner, freshDelivery(row, event, acceptedAt))
    return webhookId
  }

  /** Accepts nothing from now on. */
  close(): void {
    this.#closed = true
  }
}

function metadataOf({ hops, contentEncoding }: DeliveryContent): EventMetadata | null {
  if (!hops && !contentEncoding) return null
  return { ...(hops && { hops }), ...(contentEncoding && { content_encoding: contentEncoding }) }
}

function freshDelivery(row: OwedRow, content: DeliveryContent, since: number): Delivery {
  const { webhookId, subscriptionId, sizeBytes } = row
  return {
    webhookId,
    subscriptionId,
    attempt: 1,
    attemptsBefore: 0,
    since,
    sizeBytes,
    dueAt: since,
    content,
    lane: null,
  }
}
