import type { Member } from '../cluster/membership.ts'
import { isLaneOnly } from '../dispatch/concurrency-share.ts'
import { AppError } from '../errors.ts'
import type { Holder } from '../handover/holder.ts'
import type { Delivery, DeliveryContent } from '../model/delivery.ts'
import type { Clock } from '../platform/clock.ts'
import type { Uuid } from '../platform/id.ts'
import type { Subscription } from '../subscriptions/subscription.ts'
import type { OwedRow } from './store.ts'
import type { EventWriter } from './writer.ts'

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
  readonly holder: Holder
  /** When its receiver may be sent to (Unix milliseconds); 0: at once. */
  readonly opensAt: (subscription: Subscription) => number
  readonly membership: Pick<Member, 'position'>
  /** Called when deliveries went straight to their lanes. */
  readonly lanesDue: (dueAt: number) => void
}

/** Accepts events: decides which of their deliveries are held in memory, makes all of it durable, and starts them. */
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
    const { newId, clock, writer, holder } = this.#deps
    const webhookId = newId()
    const acceptedAt = clock.now()
    const sizeBytes = event.payload.length
    const owed = event.subscriptions.map(subscription => this.#owe(webhookId, subscription, sizeBytes))
    try {
      await writer.write({
        event: {
          webhookId,
          tenant: event.tenant,
          eventType: event.eventType,
          contentType: event.contentType,
          payload: event.payload,
          metadata: event.hops ? { hops: event.hops } : null,
          subscriptionIds: owed.map(row => row.subscriptionId),
        },
        owed,
      })
    } catch (error) {
      for (const { owner, subscriptionId } of owed) {
        if (owner !== null) holder.release(owner, subscriptionId, sizeBytes)
      }
      throw error
    }
    for (const row of owed) {
      if (row.owner === null) this.#deps.lanesDue(acceptedAt)
      else holder.push(row.owner, freshDelivery(row, event, acceptedAt))
    }
    return webhookId
  }

  /** Accepts nothing from now on. */
  close(): void {
    this.#closed = true
  }

  /**
   * Order, exact rates, and fewer attempts at a time than there are processes are kept by whoever has leased the lane,
   * so such deliveries all go through it; and what may not be sent now waits there.
   */
  #mayBeHot(subscription: Subscription): boolean {
    if (subscription.paused || isLaneOnly(subscription, this.#deps.membership.position.count)) return false
    return this.#deps.opensAt(subscription) === 0
  }

  /** The hot lane when there is room in memory, else the subscription's lane. */
  #owe(webhookId: Uuid, subscription: Subscription, sizeBytes: number): OwedRow {
    const owner = this.#mayBeHot(subscription) ? this.#deps.holder.take(subscription, sizeBytes) : null
    return { webhookId, subscriptionId: subscription.id, sizeBytes, owner }
  }
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
