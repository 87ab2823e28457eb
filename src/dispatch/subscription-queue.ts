import type { Delivery } from '../model/delivery.ts'
import { Fifo } from '../platform/fifo.ts'
import { emptyHeldMemory, type HeldMemory } from './memory-budget.ts'

/** All of one subscription that is in memory. */
export interface SubscriptionQueue {
  readonly subscriptionId: number
  readonly tenant: string
  readonly held: HeldMemory
  /** What came straight from ingest, and what its lane has brought. */
  readonly fresh: QueueHalf
  readonly ofLane: QueueHalf
  inFlight: number
  /** How many may be in flight, see `firstInFlight`. */
  allowed: number
  /** The last one that was started was fresh: the next one is of the lane, when both wait. */
  freshWasLast: boolean
}

/** What waits of a subscription: what came fresh from ingest, or what its lane brought. It takes turns with other halves. */
export interface QueueHalf {
  readonly tenant: string
  readonly queue: SubscriptionQueue
  readonly deliveries: Fifo<Delivery>
  /** In the round robin, or parked: until the subscription may be sent to again, or until it is less crowded. */
  queued: boolean
}

/** @param allowed how many may be in flight at first; unlimited when not given */
export function newSubscriptionQueue(
  subscriptionId: number,
  tenant: string,
  allowed: number = Number.POSITIVE_INFINITY,
): SubscriptionQueue {
  const newHalf = () => ({ tenant, queue, deliveries: new Fifo<Delivery>(), queued: false })
  const queue = {
    subscriptionId,
    tenant,
    held: emptyHeldMemory(),
    inFlight: 0,
    allowed,
    freshWasLast: false,
  } as SubscriptionQueue // its two halves point back to it
  return Object.assign(queue, { fresh: newHalf(), ofLane: newHalf() })
}
