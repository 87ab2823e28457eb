import type { Queryable } from '../platform/postgres.ts'
import type { SubscriptionLanes } from '../subscriptions/subscription-lanes.ts'
import { holdLane, insertLane, openLane, readOpenUntil, unholdLane } from './subscription-lanes-store.ts'

/** The lanes as subscriptions need them. */
export const subscriptionLanes: SubscriptionLanes = {
  create: insertLane,
  hold: holdLane,
  unhold: unholdLane,
  open: openLane,
}

/**
 * Until when lanes are closed, for all processes.
 *
 * @returns Unix milliseconds by subscription; 0: not closed since it was opened. Without those that have no lane
 */
export function openUntil(
  db: Queryable,
  subscriptionIds: readonly number[],
): Promise<ReadonlyMap<number, number>> {
  return readOpenUntil(db, subscriptionIds)
}
