import type { Batch } from '../platform/batches.ts'
import type { Queryable } from '../platform/postgres.ts'
import type { SubscriptionLanes } from '../subscriptions/subscription-lanes.ts'
import { countWaiting } from './discard-waiting.ts'
import { insertDiscard, readDiscard } from './discard-waiting-store.ts'
import { endWaitingIn } from './end-owed-store.ts'
import {
  deleteEmptyLanes,
  holdLane,
  holdLanes,
  insertLane,
  openLane,
  readLanesLeftBy,
  readOpenUntil,
  unholdLane,
} from './subscription-lanes-store.ts'

/** The lanes as subscriptions need them. */
export const subscriptionLanes: SubscriptionLanes = {
  create: insertLane,
  hold: holdLane,
  holdAll: holdLanes,
  unhold: unholdLane,
  open: openLane,
  openWithout: (tx, subscriptionId, discard) => insertDiscard(tx, { subscriptionId, ...discard }),
  countWaiting,
  discarding: readDiscard,
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

/** Lanes whose rows are ended together. */
const lanesMax = 200

/**
 * Ends what is owed to the deleted subscriptions of a tenant: up to `limit` rows, with one line each in the log, and then
 * their lanes, behind that of the subscription `after`. What processes hold in memory is not here: they end it, or give it
 * back to its lane. A lane that a process has leased is left to it.
 *
 * @returns how many rows have ended
 */
export async function cancelSomeOf(
  session: Queryable,
  tenant: string,
  after: number,
  limit: number,
): Promise<Batch<number>> {
  const ids = await readLanesLeftBy(session, tenant, after, lanesMax)
  const last = ids.at(-1)
  if (last === undefined) return { rows: 0, last: undefined }
  const cancelled = await endWaitingIn(session, ids, 'the tenant was deleted', limit)
  if (cancelled >= limit) return { rows: cancelled, last: after, goesOn: true } // there may be more in these lanes
  await deleteEmptyLanes(session, ids)
  return { rows: cancelled, last, goesOn: ids.length === lanesMax }
}

/** Whether deleted subscriptions of a tenant have lanes. */
export async function hasLanesLeftBy(session: Queryable, tenant: string): Promise<boolean> {
  return (await readLanesLeftBy(session, tenant, 0, 1)).length > 0
}
