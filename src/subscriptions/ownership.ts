import { AppError } from '../errors.ts'
import type { Reach } from '../model/caller.ts'
import type { Queryable } from '../platform/postgres.ts'
import { ownershipCheckOf } from '../tenants/ownership.ts'
import type { OwnershipCheck } from '../tenants/ownership-check.ts'
import { readSubscription, type SubscriptionRow } from './store.ts'
import { unverifiedReason } from './verification.ts'
import { demandVerification, setVerification } from './verification-store.ts'

/** What has to be verified before anything is sent to it. */
export interface Ownership {
  /** Where a tenant says nothing else. */
  readonly setting: OwnershipCheck
  /** Whether an address is one of this service itself. */
  readonly isOwn: (url: string) => boolean | Promise<boolean>
}

/** A new address has to be verified first, where that is asked for. @returns the row as it is then */
export async function demandNew(
  tx: Queryable,
  { setting, isOwn }: Ownership,
  before: SubscriptionRow | undefined,
  after: SubscriptionRow,
): Promise<SubscriptionRow> {
  if (before?.target_url === after.target_url) return after
  const method = await ownershipCheckOf(tx, after.tenant, setting)
  if (method === 'off' || (await isOwn(after.target_url))) return after
  return demandVerification(tx, after.id, method)
}

/**
 * @throws AppError not_verified for an address that a subscription of the tenant would have to be verified at first; nothing is
 *   sent there by hand, either
 */
export async function checkUnsaved(
  db: Queryable,
  { setting, isOwn }: Ownership,
  tenant: string,
  url: string,
): Promise<void> {
  if ((await ownershipCheckOf(db, tenant, setting)) === 'off' || (await isOwn(url))) return
  throw new AppError(
    'not_verified',
    'Receivers of this tenant are asked first whether they want its events, so no test is sent to this one. Save the subscription: its receiver is asked then, and `verification` says what it answered.',
  )
}

/** @throws AppError not_verified for one that may not be sent to before its receiver has been asked */
export async function checkVerified(
  tx: Queryable,
  ownership: Ownership,
  row: SubscriptionRow,
): Promise<void> {
  if (await isAskedFor(tx, ownership, row)) throw notVerified(row.id)
  if (row.verification !== null && row.verification.state !== 'verified')
    await setVerification(tx, row.id, null)
}

/**
 * Whether something may be sent to a subscription by hand. Nothing is changed.
 *
 * @returns undefined when there is none
 * @throws AppError not_verified while its receiver has not said that it wants what is sent to it
 */
export async function mayBeTried(
  db: Queryable,
  ownership: Ownership,
  reach: Reach,
  id: number,
): Promise<true | undefined> {
  const row = await readSubscription(db, reach, id)
  if (row === undefined) return undefined
  if (await isAskedFor(db, ownership, row)) throw notVerified(id)
  return true
}

/** Whether its receiver has to say yes, and has not. */
async function isAskedFor(
  db: Queryable,
  { setting }: Ownership,
  { tenant, verification }: SubscriptionRow,
): Promise<boolean> {
  if (verification === null || verification.state === 'verified') return false
  return (await ownershipCheckOf(db, tenant, setting)) !== 'off'
}

function notVerified(id: number): AppError {
  return new AppError('not_verified', `Subscription ${id} is not verified: ${unverifiedReason}.`)
}
