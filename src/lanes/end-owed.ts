import type { Uuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'
import { endRows, endRowsOfEvents } from './end-owed-store.ts'

// What is owed and is not to be sent any more: all that ends as cancelled without an attempt ends here (retention apart,
// which decides about each row). How: `end-owed-store.ts`.

/**
 * Ends up to `limit` rows that are owed of some events, whoever holds them in memory. Called again until it answers 0 it
 * ends all, except those that are being settled at that moment: should one of them stay owed, it is for the caller to see
 * that it ends when its turn comes.
 *
 * @param reason in words for people: each of them has it in the log
 * @returns how many
 */
export function endOwedOfEvents(
  db: Queryable,
  webhookIds: readonly Uuid[],
  reason: string,
  limit: number,
): Promise<number> {
  return endRowsOfEvents(db, webhookIds, reason, limit)
}

/** Ends deliveries that are owed; those that are not, or are being settled at this moment, stay as they are. @returns how many */
export function endOwed(
  db: Queryable,
  keys: readonly { readonly webhookId: Uuid; readonly subscriptionId: number }[],
  reason: string,
): Promise<number> {
  return endRows(db, keys, reason)
}
