import type { Queryable } from '../platform/postgres.ts'
import { freeHoldings } from './store.ts'

/**
 * Puts everything that a process held into the lanes, due now.
 *
 * @returns how many deliveries there were
 */
export function recoverHoldings(db: Queryable, owner: number): Promise<number> {
  return freeHoldings(db, owner)
}
