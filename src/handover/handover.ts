import type { Member } from '../cluster/membership.ts'
import { isLaneOnly } from '../dispatch/concurrency-share.ts'
import type { Throttle } from '../dispatch/throttle.ts'
import type { Delivery, SharedPayload } from '../model/delivery.ts'
import type { Uuid } from '../platform/id.ts'
import type { Subscription } from '../subscriptions/subscription.ts'

/** The owed row of a delivery that was offered; `owner` is what the offer came to. */
export interface OfferedRow {
  readonly webhookId: Uuid
  readonly subscriptionId: number
  readonly sizeBytes: number
  readonly owner: number | null
  /** The payload, where it is offered to several subscriptions. */
  readonly shared?: SharedPayload
}

/**
 * Hands fresh deliveries to a process that sends them, so that they do not wait in their lanes (the hot lane). Who will
 * hold one is decided before its row is written, and the row is born leased to that process: nobody has to claim it.
 *
 * Each offer is followed by one `commit` or one `abort`. Neither fails nor waits: a row that is committed and leased to
 * a process that does not hold it is found in PostgreSQL, and goes to its lane (`LeasedRows`).
 *
 * Three ways: `OwnMemory` (this process delivers what it accepts), `PostgresHandover` (nobody holds it, and a bell rings
 * for its lane), `RedisHandover` (a worker holds it, and hears of it over BullMQ).
 */
export interface Handover {
  /**
   * Offers a delivery that is about to be written.
   *
   * @param shared the payload, where it is offered to several subscriptions
   * @returns the id of the process to lease its row to; null: it goes to its lane
   */
  offer(subscription: Subscription, sizeBytes: number, shared?: SharedPayload): number | null
  /** Its row is committed: whoever is to send it hears of it. */
  commit(owner: number | null, delivery: Delivery): void
  /** Its row was not written, or nobody knows whether it was: the room that it took is free again. */
  abort(row: OfferedRow, written: 'no' | 'unknown'): void
  /** Ends what runs beside the offers. None is made afterwards. */
  stop(): Promise<void>
}

/** What decides whether a subscription has a hot lane now. */
export interface HotLaneDeps {
  readonly membership: Pick<Member, 'position'>
  readonly throttle: Pick<Throttle, 'opensAt'>
}

/**
 * Whether fresh deliveries of a subscription may be sent at once. Order, exact rates, and fewer attempts at a time than
 * there are processes are kept by whoever has leased the lane, so such deliveries all go through it; and what may not be
 * sent now waits there.
 */
export function mayBeHot(subscription: Subscription, { membership, throttle }: HotLaneDeps): boolean {
  if (subscription.paused || isLaneOnly(subscription, membership.position.count)) return false
  return throttle.opensAt(subscription) === 0
}
