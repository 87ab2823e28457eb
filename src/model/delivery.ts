import type { Uuid } from '../platform/id.ts'
import type { Traceparent } from './traceparent.ts'

/** Why an attempt is made: by itself, in a replay of many, for one that a person sent again, or as a test. */
export const attemptTriggers = ['auto', 'replay', 'manual', 'test'] as const
export type AttemptTrigger = (typeof attemptTriggers)[number]

/** The content of an event; all its deliveries share one object. */
export interface DeliveryContent {
  readonly eventType: string | null
  /** Its sender's own name for it; absent or null: it has none. */
  readonly eventId?: string | null
  readonly contentType: string
  /** The codings of the payload, such as `gzip`; absent or null: none was said. */
  readonly contentEncoding?: string | null
  readonly payload: Buffer
  /** The payload was removed on request, and what is left of it here is not to be sent. */
  readonly isExpunged?: boolean
  /** How many deliveries of such a service the event has come through before (`readHops`); absent or 0: none. */
  readonly hops?: number
  /** What its sender said of it, by names of its own in lower case; absent or null: nothing. */
  readonly metadata?: Readonly<Record<string, string>> | null
  /** Where its acceptance is in a trace; absent or null: its sender said nothing of one, and none was begun here. */
  readonly traceparent?: Traceparent | null
  /** Headers of the request that brought it, to be delivered with it, by the names that they are delivered as; absent: none. */
  readonly forwarded?: Readonly<Record<string, string>> | undefined
}

/** What `events.metadata` holds. Nearly all events have none of it, and the column is null. */
export interface EventMetadata {
  readonly hops?: number
  readonly content_encoding?: string
  readonly traceparent?: Traceparent
  /** When its payload was removed on request (RFC 3339), and how many bytes it had. */
  readonly expunged?: { readonly at: string; readonly size_bytes: number }
  /** The service tells of itself: nothing is told of what becomes of this event. Senders cannot set it. */
  readonly system?: true
  /** Its keys by the ids of the subscriptions that order by one, so that a replay has them, too. */
  readonly ordering_keys?: Readonly<Record<string, string>>
  /** What the sender said of the event, by names of its own. */
  readonly given?: Readonly<Record<string, string>>
  /** Headers of the request that brought it (`DeliveryContent.forwarded`). */
  readonly forwarded?: Readonly<Record<string, string>>
}

/**
 * One owed row that this process holds in memory: an event owed to a subscription, and the number of its next attempt.
 * Either the row itself is leased to this process since it was written (`lane` is null), or it came from a lane that
 * this process has leased.
 */
export interface Delivery {
  readonly webhookId: Uuid
  readonly subscriptionId: number
  /** The number the next attempt will have, from 1. */
  readonly attempt: number
  /** Attempts that this run has made so far; a replay begins a new run. */
  readonly attemptsBefore: number
  /** When this run began: acceptance of the event, or of the replay (Unix milliseconds). */
  readonly since: number
  /** What began this run; absent: the event itself. */
  readonly trigger?: AttemptTrigger
  readonly sizeBytes: number
  /** It goes after all others of its subscription that have the same and were accepted before it; absent: in no order. */
  readonly orderingKey?: string
  /** Its place in its lane (Unix milliseconds); the moment of acceptance for a fresh one. */
  readonly dueAt: number
  /** Known for a fresh delivery; loaded just before the attempt for one that comes from a lane. */
  readonly content: DeliveryContent | null
  /** Told when the delivery has left memory: settled and committed, or handed back. */
  readonly lane: LaneRun | null
  /** Of a fresh delivery whose content other deliveries have, too. */
  readonly shared?: SharedPayload
  /** It waits in its lane, but came to memory as it was accepted, and not by a read of the lane. */
  readonly isUnread?: true
}

/** The payload of an event that several deliveries in memory have together, so that it is counted once. */
export interface SharedPayload {
  /** How many have it; changed by the memory budget alone. */
  holders: number
}

/** What a delivery needs of the lane it came from. */
export interface LaneRun {
  /** @param isOver it is not owed any more */
  left(delivery: Delivery, isOver: boolean): void
}
