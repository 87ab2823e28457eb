import { AppError } from '../errors.ts'
import type { Handover } from '../handover/handover.ts'
import type { Delivery, DeliveryContent, EventMetadata } from '../model/delivery.ts'
import type { Clock } from '../platform/clock.ts'
import type { Uuid } from '../platform/id.ts'
import type { Subscription } from '../subscriptions/subscription.ts'
import type { Names } from './names.ts'
import type { EventRow, OwedRow } from './store.ts'
import { CommitUnknown, type EventWriter } from './writer.ts'

/** An event as it came in: parsed, verified and matched. */
export interface IncomingEvent extends DeliveryContent {
  readonly tenant: string
  /** Whom it is owed to. */
  readonly subscriptions: readonly Subscription[]
  /** What is said only of events that are published. */
  readonly published?: PublishedFields
  /** Names that no other event of the tenant may have. */
  readonly names?: Names
}

export interface PublishedFields {
  readonly channels: readonly string[]
  readonly eventId: string | null
  readonly idempotencyKey?: string | null
  /** Not to be sent before then (Unix milliseconds); null: at once. */
  readonly deliverAt: number | null
  /** What the sender says of it, by names of its own. */
  readonly metadata: Readonly<Record<string, string>> | null
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
   * @throws NameTaken when another event has one of its names
   */
  async accept(event: IncomingEvent): Promise<Uuid> {
    if (this.#closed) throw new AppError('shutting_down', 'The service is stopping; send the event again.')
    const { newId, clock, writer } = this.#deps
    const webhookId = newId()
    const acceptedAt = clock.now()
    const owed = this.#owedRows(webhookId, event)
    try {
      await writer.write({ event: eventRow(webhookId, event, owed), owed })
    } catch (error) {
      this.#abort(owed, error instanceof CommitUnknown ? 'unknown' : 'no')
      throw error
    }
    this.#commit(owed, event, acceptedAt)
    return webhookId
  }

  #owedRows(webhookId: Uuid, { payload, subscriptions, published }: IncomingEvent): readonly OwedRow[] {
    const { handover } = this.#deps
    const sizeBytes = payload.length
    const deliverAt = published?.deliverAt ?? null
    if (deliverAt === null) {
      return subscriptions.map(subscription => ({
        webhookId,
        subscriptionId: subscription.id,
        sizeBytes,
        owner: handover.offer(subscription, sizeBytes),
      }))
    }
    const times = { dueAt: deliverAt, beginsAt: deliverAt }
    return subscriptions.map(({ id }) => ({
      ...{ webhookId, subscriptionId: id, sizeBytes },
      owner: null,
      ...times,
    }))
  }

  #abort(owed: readonly OwedRow[], written: 'unknown' | 'no'): void {
    for (const row of owed) this.#deps.handover.abort(row, written)
  }

  #commit(owed: readonly OwedRow[], event: IncomingEvent, acceptedAt: number): void {
    for (const row of owed) this.#deps.handover.commit(row.owner, freshDelivery(row, event, acceptedAt))
  }

  /** Accepts nothing from now on. */
  close(): void {
    this.#closed = true
  }
}

function eventRow(webhookId: Uuid, event: IncomingEvent, owed: readonly OwedRow[]): EventRow {
  const { tenant, eventType, contentType, payload, published, names } = event
  return {
    webhookId,
    tenant,
    eventType,
    contentType,
    payload,
    metadata: metadataOf(event),
    subscriptionIds: owed.map(row => row.subscriptionId),
    ...(published && { published }),
    ...(names && { names: { ...names, deliveries: owed.length } }),
  }
}

function metadataOf({ hops, contentEncoding, published }: IncomingEvent): EventMetadata | null {
  const given = published?.metadata
  if (!hops && !contentEncoding && !given) return null
  return {
    ...(hops && { hops }),
    ...(contentEncoding && { content_encoding: contentEncoding }),
    ...(given && { given }),
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
    dueAt: row.dueAt ?? since,
    content,
    lane: null,
  }
}
