import { tryLockForSession } from '../platform/advisory-lock.ts'
import { type Batch, besideThePath, inBatches } from '../platform/batches.ts'
import type { Clock } from '../platform/clock.ts'
import { earlierNow } from '../platform/database-time.ts'
import type { Logger } from '../platform/logger.ts'
import type { Database, Queryable } from '../platform/postgres.ts'
import { markEmptied, readEmptiedBefore, removeTenant } from './store.ts'
import type { Tenants } from './tenants.ts'

/** One kind of things that tenants have, and how it goes with its tenant. */
export interface Belongings {
  /** For the log: `subscriptions`. */
  readonly what: string
  /** The tables it is in that say whose a row is. A test sees that each such table belongs to somebody. */
  readonly tables: readonly string[]
  /**
   * Removes up to `limit` of them, after the key `after` where what is removed is found again. Left out: it is removed
   * with the tenant's row, or goes by retention.
   */
  readonly remove?: (
    session: Queryable,
    tenant: string,
    after: number,
    limit: number,
  ) => Promise<Batch<number>>
  /** Whether all that `remove` is for is gone; as it says itself unless given. */
  readonly isGone?: (session: Queryable, tenant: string) => Promise<boolean>
  /** Whether something is left that another tenant with the same id must not see. Left out: nothing can be left. */
  readonly isNamed?: (session: Queryable, tenant: string) => Promise<boolean>
}

export interface TenantRemovalDeps {
  readonly database: Database
  readonly clock: Clock
  readonly logger: Logger
  readonly tenants: Tenants
  /** In the order in which they are removed. */
  readonly belongings: readonly Belongings[]
  /** From when on events are kept, and the names that they have taken (Unix milliseconds). */
  readonly oldestKept: () => Promise<number>
}

/**
 * What is kept of events must be this much younger than the end of a tenant before its id is free: an event that was let in
 * just before that end may have been committed a while after it.
 */
const lateMs = 3_600_000

/**
 * Removes what deleted tenants have had, at any size, beside the path. Any process may do it, one at a time. It can be cut
 * off anywhere: which tenants are deleted is in the table, and each batch is a transaction.
 *
 * @returns how many tenants were emptied; undefined when another process is at it
 */
export async function emptyTenants(
  deps: TenantRemovalDeps,
  signal: AbortSignal,
): Promise<number | undefined> {
  const { database, tenants } = deps
  if (tenants.toEmpty.length === 0) return 0
  return besideThePath(database, 'removal of tenants', async session => {
    if (!(await tryLockForSession(session, 'tenants'))) return undefined
    let emptied = 0
    for (const tenant of tenants.toEmpty) {
      if (signal.aborted) break
      if (!(await empty(deps, session, tenant, signal))) continue // the rest comes with the next round
      await markEmptied(session, tenant)
      await tenants.refresh(tenant)
      emptied++
    }
    return emptied
  })
}

/** @returns whether nothing is left */
async function empty(
  { belongings, logger }: TenantRemovalDeps,
  session: Queryable,
  tenant: string,
  signal: AbortSignal,
): Promise<boolean> {
  const removed: Record<string, number> = {}
  let isAll = true
  for (const { what, remove, isGone } of belongings) {
    if (remove === undefined) continue
    const options = { name: `removal of the ${what} of tenant ${tenant}`, logger, signal }
    const { rows, isDone } = await inBatches<number>(options, 0, (after, limit) =>
      remove(session, tenant, after, limit),
    )
    if (rows > 0) removed[what] = rows
    isAll &&= isDone && (isGone === undefined || (await isGone(session, tenant)))
    if (signal.aborted) break
  }
  if (Object.keys(removed).length > 0 || isAll)
    logger.info({ tenant, removed, is_all: isAll }, 'removed what a deleted tenant had')
  return isAll && !signal.aborted
}

/**
 * Frees the ids of deleted tenants that nothing names any more: no event, no row of the log (whose tenant is that of the
 * tombstone of its subscription), nothing else that says whose it is, no name that is taken once (which is a hash with the
 * tenant in it). Before that a new tenant with the same id could read what was the old one's, or be answered with it.
 *
 * @returns how many ids are free now; undefined when another process is at it
 */
export async function freeTenantIds(deps: TenantRemovalDeps): Promise<number | undefined> {
  const { database, belongings, oldestKept, logger, clock } = deps
  const before = Math.min(await oldestKept(), await earlierNow(database, clock)) - lateMs
  if ((await readEmptiedBefore(database, before)).length === 0) return 0
  return besideThePath(database, 'ids of tenants', async session => {
    if (!(await tryLockForSession(session, 'tenants'))) return undefined
    let freed = 0
    for (const tenant of await readEmptiedBefore(session, before)) {
      if (await isNamed(belongings, session, tenant)) continue
      await removeTenant(session, tenant)
      logger.info({ tenant }, 'nothing names a deleted tenant any more; its id is free')
      freed++
    }
    return freed
  })
}

async function isNamed(
  belongings: readonly Belongings[],
  session: Queryable,
  tenant: string,
): Promise<boolean> {
  for (const one of belongings) {
    if ((await one.isGone?.(session, tenant)) === false) return true
    if (await one.isNamed?.(session, tenant)) return true
  }
  return false
}
