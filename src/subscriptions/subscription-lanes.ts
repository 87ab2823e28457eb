import type { Queryable, Transactional } from '../platform/postgres.ts'

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
  /**
   * The same for what comes from now on. What waits ends as cancelled, beside the path; until it has, the lane is held.
   *
   * @param discard runs that began before a moment (Unix milliseconds), and how many they were then
   */
  openWithout(
    tx: Queryable,
    subscriptionId: number,
    discard: { readonly beganBefore: number; readonly waiting: number | null },
  ): Promise<void>
  /** How much waits, of runs that began before a moment. @returns null: more than can be counted while somebody waits */
  countWaiting(database: Transactional, subscriptionId: number, beganBefore: number): Promise<number | null>
  /** What is being discarded just now; undefined: nothing. */
  discarding(db: Queryable, subscriptionId: number): Promise<Discarding | undefined>
}

/** How far the discarding of what waited for a subscription has come. */
export interface Discarding {
  /** How many waited when it was asked for; null: more than could be counted. */
  readonly waiting: number | null
  readonly ended: number
}
