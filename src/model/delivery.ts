import type { Uuid } from '../platform/id.ts'

/** What a delivery carries; the event is the same object for all its deliveries. */
export interface DeliveryContent {
  readonly eventType: string | null
  readonly contentType: string
  readonly payload: Buffer
  /** How often it had been delivered when it came in; more than 0 only for what a delivery brought. */
  readonly hops?: number
}

/**
 * One owed row held in memory: an event that is owed to a subscription, and the number of the next attempt.
 * It is held either by being born leased (`lane` is null; the row has this process as owner) or through a lane
 * that this process has leased.
 */
export interface Delivery {
  readonly webhookId: Uuid
  readonly subscriptionId: number
  /** The number the next attempt will have, from 1. */
  readonly attempt: number
  /** Attempts that this run has made before; a replay begins a new run. */
  readonly attemptsBefore: number
  /** Unix milliseconds when this run began: acceptance of the event, or of the replay. */
  readonly since: number
  readonly sizeBytes: number
  /** Its place in its lane (Unix milliseconds); the moment of acceptance for a fresh one. */
  readonly dueAt: number
  /** Known for a fresh delivery; loaded just before the attempt for one that comes from a lane. */
  readonly content: DeliveryContent | null
  /** Told when the delivery has left memory: settled and committed, or handed back. */
  readonly lane: LaneRun | null
}

/** What a delivery needs of the lane it came from. */
export interface LaneRun {
  left(delivery: Delivery): void
}
