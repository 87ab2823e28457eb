import type { Queryable } from '../platform/postgres.ts'

/**
 * What becomes of a subscription's lane when the subscription is changed: part of the same transaction, so that neither
 * is ever without the other. The subscription's row is locked or written first, then its lane: all do it in this order,
 * so that no two wait for each other in a circle.
 */
export interface SubscriptionLanes {
  /** Makes the lane of a new subscription. @param held nobody works on it until `unhold` */
  create(tx: Queryable, subscriptionId: number, held: boolean): Promise<void>
  /** Nobody works on it until `unhold` or `open`. */
  hold(tx: Queryable, subscriptionId: number): Promise<void>
  /** It is worked on again: at once, or when it opens, where it is closed for a while. */
  unhold(tx: Queryable, subscriptionId: number): Promise<void>
  /** It is worked on at once, whatever held or closed it, and all processes hear of it. */
  open(tx: Queryable, subscriptionId: number): Promise<void>
}
