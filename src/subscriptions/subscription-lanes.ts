import type { Queryable } from '../platform/postgres.ts'

/**
 * Changes of a subscription's lane, in the transaction that changes the subscription, so that both or none are made. The
 * row of the subscription is always locked or written before its lane, so that no two transactions wait for each other.
 */
export interface SubscriptionLanes {
  /** Makes the lane of a new subscription. @param held no process leases it until `unhold` */
  create(tx: Queryable, subscriptionId: number, held: boolean): Promise<void>
  /** No process leases it until `unhold` or `open`. */
  hold(tx: Queryable, subscriptionId: number): Promise<void>
  /** The same for several, whose subscriptions are about to be deleted. */
  holdAll(db: Queryable, subscriptionIds: readonly number[]): Promise<void>
  /** It can be leased again: at once, or at the end of its pause. */
  unhold(tx: Queryable, subscriptionId: number): Promise<void>
  /** It can be leased at once, although it was held or paused, and all processes are told. */
  open(tx: Queryable, subscriptionId: number): Promise<void>
}
