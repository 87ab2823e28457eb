import { setImmediate } from 'node:timers/promises'
import { AppError } from '../errors.ts'
import type { EventTypes } from '../event-types/event-types.ts'
import { unknownSubscription } from '../http/parameters.ts'
import type { AcceptedEvent, Ingest } from '../ingest/ingest.ts'
import type { Names } from '../ingest/names.ts'
import type { Traceparent } from '../model/traceparent.ts'
import type { Clock } from '../platform/clock.ts'
import type { Queryable } from '../platform/postgres.ts'
import type { EventToMatch } from '../subscriptions/matching.ts'
import { type EventWithKeys, orderingKeysOf } from '../subscriptions/ordering-key.ts'
import type { Subscription } from '../subscriptions/subscription.ts'
import { readIdOfUid } from './store.ts'

/** An event to be published: parsed and checked. */
export interface PublishRequest {
  /** The tenant whose subscriptions may get it. That the sender may publish for it has been checked. */
  readonly tenant: string
  readonly eventType: string | null
  /** Of these channels; empty: of none. */
  readonly channels: readonly string[]
  /** The sender's own name for it. */
  readonly eventId: string | null
  /** As the request has it; null: none. */
  readonly idempotencyKey: string | null
  /** Not to be sent before then (Unix milliseconds); null, or a time that is over: at once. */
  readonly deliverAt: number | null
  /** What the sender says of it, by names of its own. */
  readonly metadata: Readonly<Record<string, string>> | null
  readonly contentType: string
  /** The codings of the payload, such as `gzip`; null: none. */
  readonly contentEncoding: string | null
  /** As of `readHops`. */
  readonly hops: number
  /** Where the request is in a trace of its sender. */
  readonly traceparent?: Traceparent | undefined
  /** Headers of the request that are delivered with it, by the names that they are delivered as. */
  readonly forwarded?: Readonly<Record<string, string>> | undefined
  /** Those of the request, where it has one event; for ordering keys. Names in lower case. */
  readonly headers?: EventWithKeys['headers']
  /** What is delivered, byte for byte. */
  readonly payload: Buffer
  /** Nobody but this subscription may get it: its id, or its uid; null: whoever wants it. */
  readonly to: number | string | null
  /** Names that no other event of the tenant may have. */
  readonly names?: Names | undefined
  /** Told when it is handed to `Ingest.accept`, whose order is that of these calls. */
  readonly onEntering?: (() => void) | undefined
}

/** An event that is committed. */
export interface Published extends AcceptedEvent {
  /** To how many subscriptions it is owed; 0: nobody wants it, and it is stored all the same. */
  readonly deliveries: number
}

export interface PublisherDeps {
  readonly ingest: Pick<Ingest, 'accept'>
  readonly subscriptions: {
    get(id: number): Subscription | undefined
    /** The ids of those that want an event, in any order. */
    matching(event: EventToMatch): readonly number[]
    /** Reads one from the database, because another process may just have made it. */
    refresh(id: number): Promise<boolean>
  }
  /** Says whether a payload fits its event type. */
  readonly eventTypes: Pick<EventTypes, 'check'>
  readonly tenants: {
    /** A promise when the database has to be asked, because another process may just have made it. */
    exists(tenant: string): boolean | Promise<boolean>
  }
  readonly database: Queryable
  readonly clock: Clock
}

/** More subscriptions than this do not get one event. */
export const fanOutMax = 10_000

/**
 * Subscriptions that are looked up in one turn of the event loop. At its first use each opens its secrets.
 */
const lookUpsPerTurn = 250

/** Publishes events: finds out who wants one, and has it accepted for all of them in one commit. */
export class Publisher {
  readonly #deps: PublisherDeps

  constructor(deps: PublisherDeps) {
    this.#deps = deps
  }

  /**
   * Resolves when the event and all it owes are committed. An event that nobody wants is stored, too.
   *
   * @throws AppError not_found for a tenant, or for a subscription of it (`to`), that does not exist; payload_refused;
   *   fan_out_too_large; and what `Ingest.accept` throws, NameTaken among it
   */
  async publish(request: PublishRequest): Promise<Published> {
    const { tenant, eventType, contentType, contentEncoding, hops, traceparent, forwarded, payload } = request
    const { ingest, clock, tenants } = this.#deps
    const exists = tenants.exists(tenant)
    if (!(exists === true || (await exists))) throw unknownTenant(tenant)
    const refusal = this.#deps.eventTypes.check(tenant, eventType, payload)
    const refused = refusal instanceof Promise ? await refusal : refusal
    if (refused !== undefined) throw refused
    const to = request.to === null ? undefined : await this.#findOne(tenant, request.to)
    const ids = this.#wanting(request, to)
    if (ids.length > fanOutMax) throw tooManyWant(ids.length)
    const subscriptions = ids.length > lookUpsPerTurn ? await this.#lookUpAll(ids) : this.#lookUp(ids)
    const { channels, eventId, idempotencyKey, metadata, deliverAt, names } = request
    const orderingKeys = orderingKeysOf(subscriptions, () => ({
      ...{ eventType, payload, metadata },
      headers: { ...request.headers, ...headersOf(request) },
    }))
    request.onEntering?.()
    const accepted = await ingest.accept({
      ...{ tenant, eventType, contentType, contentEncoding, hops, payload, subscriptions },
      ...(traceparent !== undefined && { traceparent }),
      ...(forwarded !== undefined && { forwarded }),
      ...(metadata !== null && { metadata }),
      ...(eventId !== null && { eventId }),
      published: {
        ...{ channels, eventId, idempotencyKey, metadata },
        deliverAt: deliverAt !== null && deliverAt > clock.now() ? deliverAt : null,
      },
      ...(names && { names }),
      ...(orderingKeys && { orderingKeys }),
    })
    return { ...accepted, deliveries: subscriptions.length }
  }

  #wanting(request: PublishRequest, to: number | undefined): readonly number[] {
    const { tenant, eventType, channels, metadata, payload } = request
    const headers = headersOf(request)
    const ids = this.#deps.subscriptions.matching({
      ...{ tenant, eventType, channels, payload, headers },
      metadata: metadata ?? {},
    })
    return to === undefined ? ids : ids.filter(id => id === to)
  }

  /** One that was deleted this very moment is left out. */
  #lookUp(ids: readonly number[]): Subscription[] {
    const { subscriptions } = this.#deps
    return ids.flatMap(id => subscriptions.get(id) ?? [])
  }

  async #lookUpAll(ids: readonly number[]): Promise<Subscription[]> {
    const found: Subscription[] = []
    for (let from = 0; from < ids.length; from += lookUpsPerTurn) {
      if (from > 0) await setImmediate()
      found.push(...this.#lookUp(ids.slice(from, from + lookUpsPerTurn)))
    }
    return found
  }

  /** @throws AppError not_found, also for a subscription of another tenant */
  async #findOne(tenant: string, to: number | string): Promise<number> {
    const { subscriptions, database } = this.#deps
    const id = typeof to === 'number' ? to : await readIdOfUid(database, tenant, to)
    if (id === undefined) throw unknownSubscription(`uid:${to}`)
    if (subscriptions.get(id) === undefined) await subscriptions.refresh(id)
    if (subscriptions.get(id)?.tenant !== tenant)
      throw unknownSubscription(typeof to === 'number' ? to : `uid:${to}`)
    return id
  }
}

function unknownTenant(tenant: string): AppError {
  return new AppError('not_found', `There is no tenant ${tenant}.`)
}

/** The headers that are stored with an event, so that what a filter says of them can be told afterwards. */
function headersOf({ contentType, contentEncoding, eventType, forwarded }: PublishRequest) {
  return {
    ...forwarded,
    'content-type': contentType,
    ...(contentEncoding !== null && { 'content-encoding': contentEncoding }),
    ...(eventType !== null && { 'x-event-type': eventType }),
  }
}

function tooManyWant(count: number): AppError {
  return new AppError(
    'fan_out_too_large',
    `${count} subscriptions want this event, and one event goes to ${fanOutMax} at most. Publish it to some of them at a time, by channels or event types of their own.`,
  )
}
