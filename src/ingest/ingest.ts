import { setImmediate } from 'node:timers/promises'
import type { RecentContents } from '../deliver/recent-contents.ts'
import { AppError } from '../errors.ts'
import type { Handover } from '../handover/handover.ts'
import type { Delivery, DeliveryContent, EventMetadata, SharedPayload } from '../model/delivery.ts'
import type { Traceparent } from '../model/traceparent.ts'
import type { Clock } from '../platform/clock.ts'
import type { Uuid } from '../platform/id.ts'
import type { Subscription } from '../subscriptions/subscription.ts'
import type { Tracing } from '../tracing/tracing.ts'
import type { Names } from './names.ts'
import type { EventRow, OwedRow } from './store.ts'
import { batchRowsMax, CommitUnknown, type EventWriter } from './writer.ts'

/** An event as it came in: parsed, verified and matched. */
export interface IncomingEvent extends DeliveryContent {
  readonly tenant: string
  /** Whom it is owed to. */
  readonly subscriptions: readonly Subscription[]
  /** What is said only of events that are published. */
  readonly published?: PublishedFields
  /** Of those of `subscriptions` that order by key, where the event has one; undefined: none of them does. */
  readonly orderingKeys?: ReadonlyMap<number, string> | undefined
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

/** An event that is committed. */
export interface AcceptedEvent {
  readonly webhookId: Uuid
  /** Where its acceptance is in a trace. */
  readonly traceparent?: Traceparent | null | undefined
}

export interface IngestDeps {
  readonly clock: Clock
  readonly newId: () => Uuid
  readonly writer: Pick<EventWriter, 'write'>
  /** For events that owe more rows than one transaction of `writer` takes (`batchRowsMax`). */
  readonly wideWriter: Pick<EventWriter, 'write'>
  /** For events that are in an order: it commits one transaction after the other. */
  readonly writerInOrder: Pick<EventWriter, 'write'>
  readonly handover: Handover
  /** Keeps for a moment the contents of what waits in lanes of this process. Undefined: nothing does. */
  readonly recentContents?: Pick<RecentContents, 'remember'> | undefined
  /** Undefined: nothing is traced. */
  readonly tracing?: Pick<Tracing, 'accepting'> | undefined
}

/** A row of an event, and what its offer came to. */
interface OfferedRow extends OwedRow {
  readonly shared?: SharedPayload
}

/** Deliveries that are handed over in one turn of the event loop: each may start an attempt at once. */
const handedOverPerTurn = 100

/** Accepts events: offers their deliveries, makes all of it durable, and lets whoever took them know. */
export class Ingest {
  readonly #deps: IngestDeps
  #closed = false

  constructor(deps: IngestDeps) {
    this.#deps = deps
  }

  /**
   * Resolves with the id of the event once the event and everything it owes are committed.
   *
   * @throws AppError `overloaded` or `database_unavailable` when that cannot be done in time, `shutting_down`
   * @throws NameTaken when another event has one of its names
   */
  accept(event: IncomingEvent): Promise<AcceptedEvent> {
    const { tracing } = this.#deps
    return tracing === undefined ? this.#accept(event) : this.#acceptTraced(tracing, event)
  }

  async #acceptTraced(tracing: Pick<Tracing, 'accepting'>, event: IncomingEvent): Promise<AcceptedEvent> {
    const span = tracing.accepting(event)
    if (span === undefined) return this.#accept(event)
    try {
      const accepted = await this.#accept({ ...event, traceparent: span.traceparent })
      span.accepted(accepted.webhookId, event.subscriptions.length)
      return accepted
    } catch (error) {
      span.failed(error)
      throw error
    }
  }

  async #accept(event: IncomingEvent): Promise<AcceptedEvent> {
    if (this.#closed) throw new AppError('shutting_down', 'The service is stopping; send the event again.')
    const { newId, clock } = this.#deps
    const webhookId = newId()
    const acceptedAt = clock.now()
    const owed = this.#offer(webhookId, event)
    this.#remember(owed, event)
    try {
      await this.#writerFor(event, owed).write({ event: eventRow(webhookId, event, owed), owed })
    } catch (error) {
      const written = error instanceof CommitUnknown ? 'unknown' : 'no'
      for (const row of owed) this.#deps.handover.abort(row, written)
      throw error
    }
    if (owed.length > handedOverPerTurn) await this.#commitInTurns(owed, event, acceptedAt)
    else this.#commit(owed, event, acceptedAt)
    return { webhookId, traceparent: event.traceparent }
  }

  /**
   * The events of a batch come at once. What two connections commit at the same time can be seen, and delivered, in any
   * order, so events in an order have one connection.
   */
  #writerFor({ subscriptions }: IncomingEvent, owed: readonly OfferedRow[]): Pick<EventWriter, 'write'> {
    const { writer, wideWriter, writerInOrder } = this.#deps
    if (owed.length > batchRowsMax) return wideWriter
    return subscriptions.some(isInOrder) ? writerInOrder : writer
  }

  #offer(
    webhookId: Uuid,
    { payload, subscriptions, published, orderingKeys }: IncomingEvent,
  ): readonly OfferedRow[] {
    const { handover } = this.#deps
    const sizeBytes = payload.length
    const deliverAt = published?.deliverAt ?? null
    if (deliverAt !== null) {
      return subscriptions.map(({ id: subscriptionId }) => ({
        ...{ webhookId, subscriptionId, sizeBytes, owner: null, dueAt: deliverAt, beginsAt: deliverAt },
        ...keyFor(subscriptionId, orderingKeys),
      }))
    }
    const shared = subscriptions.length > 1 ? { holders: 0 } : undefined
    return subscriptions.map(subscription => ({
      webhookId,
      subscriptionId: subscription.id,
      sizeBytes,
      owner: handover.offer(subscription, sizeBytes, shared),
      ...(shared && { shared }),
      ...keyFor(subscription.id, orderingKeys),
    }))
  }

  /** Before it is written: as soon as it is, a lane may be read. */
  #remember(owed: readonly OfferedRow[], event: IncomingEvent): void {
    const { recentContents } = this.#deps
    if (recentContents === undefined || event.published?.deliverAt) return
    for (const { owner, webhookId } of owed) if (owner === null) recentContents.remember(webhookId, event)
  }

  #commit(owed: readonly OfferedRow[], event: IncomingEvent, acceptedAt: number): void {
    for (const row of owed) this.#deps.handover.commit(row.owner, freshDelivery(row, event, acceptedAt))
  }

  async #commitInTurns(owed: readonly OfferedRow[], event: IncomingEvent, acceptedAt: number): Promise<void> {
    for (let from = 0; from < owed.length; from += handedOverPerTurn) {
      if (from > 0) await setImmediate()
      this.#commit(owed.slice(from, from + handedOverPerTurn), event, acceptedAt)
    }
  }

  /** Accepts nothing from now on. */
  close(): void {
    this.#closed = true
  }
}

/** A subscription whose deliveries are in an order is in no hot lane: its rows go to its lane. */
const isInOrder = ({ ordered, orderingKey }: Subscription): boolean => ordered || orderingKey !== null

function keyFor(
  subscriptionId: number,
  keys: ReadonlyMap<number, string> | undefined,
): { readonly orderingKey?: string } {
  const orderingKey = keys?.get(subscriptionId)
  return orderingKey === undefined ? {} : { orderingKey }
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

function metadataOf(event: IncomingEvent): EventMetadata | null {
  const { hops, contentEncoding, traceparent, metadata, published, forwarded, orderingKeys } = event
  const given = metadata ?? published?.metadata
  const isAnyKeyed = orderingKeys !== undefined && orderingKeys.size > 0
  if (!hops && !contentEncoding && !given && !traceparent && !forwarded && !isAnyKeyed) return null
  return {
    ...(hops && { hops }),
    ...(contentEncoding && { content_encoding: contentEncoding }),
    ...(traceparent && { traceparent }),
    ...(isAnyKeyed && { ordering_keys: Object.fromEntries(orderingKeys) }),
    ...(given && { given }),
    ...(forwarded && { forwarded }),
  }
}

function freshDelivery(row: OfferedRow, content: DeliveryContent, since: number): Delivery {
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
    ...(row.shared && { shared: row.shared }),
  }
}
