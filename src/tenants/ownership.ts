import type { Queryable } from '../platform/postgres.ts'
import type { OwnershipCheck } from './ownership-check.ts'
import { readOwnershipCheck, takeCheck } from './store.ts'

/** How receivers of a tenant are asked. @param setting where the tenant does not say it */
export async function ownershipCheckOf(
  db: Queryable,
  tenant: string,
  setting: OwnershipCheck,
): Promise<OwnershipCheck> {
  return (await readOwnershipCheck(db, tenant)) ?? setting
}

/** A tenant may ask this often at once, and once more after each of these times, whatever processes it asks through. */
export const checksAtOnce = 30
export const checkEverySeconds = 20

/** Counts a check of a tenant, so that nobody finds out by them what answers where. @returns whether it may be made now */
export function mayCheck(db: Queryable, tenant: string): Promise<boolean> {
  return takeCheck(db, tenant, checkEverySeconds, checksAtOnce * checkEverySeconds)
}
