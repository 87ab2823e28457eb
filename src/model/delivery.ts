import type { Uuid } from '../platform/id.ts'

/** The content of an event; all its deliveries share one object. */
export interface DeliveryContent {
  readonly eventType: string | null
  readonly contentType: string
  /** The codings of the payload, such as `gzip`; absent or null: none was said. */
  readonly contentEncoding?: string | null
  readonly payload: Buffer
  /** How many deliveries of such a service the event has come through before (`readHops`); absent or 0: none. */
  readonly hops?: number
}

/** What `events.metadata` holds. Nearly all events have none of it, and the column is null. */
export interface EventMetadata {
  readonly hops?: number
  readonly content_encoding?: string
  /** What the sender said of the event, by names of its own. */
  readonly given?: Readonly<Record<string, string>>
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
  readonly sizeBytes: number
  /** Its place in its lane (Unix milliseconds); the moment of acceptance for a fresh one. */
  readonly dueAt: number
  /** Known for a fresh delivery; loaded just before the attempt for one that comes from a lane. */
  readonly content: DeliveryContent | null
  /** Called when the delivery has left memory: settled and committed, or handed back. */
  readonly lane: LaneRun | null
  /** Of a fresh delivery whose content other deliveries have, too. */
  readonly shared?: SharedPayload
}

/** The payload of an event that several deliveries in memory have together, so that it is counted once. */
export interface SharedPayload {
  /** How many have it; changed by the memory budget alone. */
  holders: number
}

/** What a delivery needs of the lane it came from. */
export interface LaneRun {
  left(delivery: Delivery): void
}
