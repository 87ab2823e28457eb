import { tryLockForTransaction } from '../platform/advisory-lock.ts'
import type { Database } from '../platform/postgres.ts'
import { findOrphanedOwners, freeHoldings, repairLanes } from './store.ts'

/** What a round of repair put right; all zero in a healthy installation. */
export interface RepairReport {
  /** Owed rows whose holder does not exist, as a late commit of a process that was declared dead leaves them. */
  readonly orphans: number
  /** Lanes that did not know of what is owed in them. */
  readonly lanes: number
}

/**
 * The safety net: finds what no bell and no lease points to any more. One process at a time does it; the others get
 * undefined. Costs one scan of the owed rows and one index probe per lane, so it runs each minute, not each second. It
 * trusts no `ReadFrom`, so each probe walks over what is dead at the beginning of its lane: 9 to 29 ms and 1,811 pages
 * for 110,000 rows that a transaction held open had kept from being removed.
 */
export function repair(database: Database): Promise<RepairReport | undefined> {
  return database.transaction(async tx => {
    if (!(await tryLockForTransaction(tx, 'repair'))) return undefined
    let orphans = 0
    for (const owner of await findOrphanedOwners(tx)) orphans += await freeHoldings(tx, owner)
    return { orphans, lanes: await repairLanes(tx) }
  })
}
