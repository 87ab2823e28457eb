import type { Actor } from '../model/caller.ts'
import type { Queryable } from '../platform/postgres.ts'
import { bounded, type FieldChange } from './changes.ts'
import { insertEntry } from './store.ts'

/** The kinds of things whose changes are recorded. */
export const subjectKinds = [
  'subscription',
  'tenant',
  'key',
  'portal_token',
  'session',
  'event',
  'event_type',
  'event',
  'delivery',
  'replay',
  'test_receiver',
  'source',
  'encryption_key',
  'backup',
  'retention',
] as const
export type SubjectKind = (typeof subjectKinds)[number]

/** Something that a person, a key or a command has changed. */
export interface Change {
  /** The subject and what was done to it, such as `subscription.updated`. */
  readonly action: `${SubjectKind}.${string}`
  /** Its id; null where there is only one. */
  readonly subjectId: string | number | null
  /** Whose thing it is; null: of the whole installation. */
  readonly tenant: string | null
  /** From `differences` and `secretDifferences`. */
  readonly changes?: readonly FieldChange[]
}

/**
 * Writes an entry of the audit log. To be called in the transaction of the change itself: so there is no change without
 * its entry, and no entry of a change that was rolled back. A failure must fail the transaction.
 *
 * @param tx the open transaction of the change
 */
export async function recordChange(tx: Queryable, actor: Actor, change: Change): Promise<void> {
  const { action, tenant, subjectId } = change
  await insertEntry(tx, {
    ...{ actor, action, tenant },
    subjectKind: action.slice(0, action.indexOf('.')),
    subjectId: subjectId === null ? null : String(subjectId),
    ...bounded(change.changes ?? []),
  })
}
