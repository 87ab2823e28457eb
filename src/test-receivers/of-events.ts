import type { Uuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'
import { deleteRequestsOfEvents } from './store.ts'

/** Removes what test receivers have got of these events. */
export async function forgetRequestsOf(tx: Queryable, webhookIds: readonly Uuid[]): Promise<void> {
  await deleteRequestsOfEvents(tx, webhookIds)
}
