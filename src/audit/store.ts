import type { Actor, Reach } from '../model/caller.ts'
import { type Uuid, uuidLowerBound } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'
import type { BoundedChanges, FieldChange } from './changes.ts'

/** An entry as it is written. */
export interface NewEntry extends BoundedChanges {
  readonly actor: Actor
  readonly action: string
  readonly tenant: string | null
  readonly subjectKind: string
  readonly subjectId: string | null
}

/** An entry as it is read. */
export interface EntryRow {
  readonly id: Uuid
  readonly at: Date
  readonly actor_kind: Actor['kind']
  readonly actor_id: string | null
  readonly actor_name: string
  readonly action: string
  readonly tenant: string | null
  readonly subject_kind: string
  readonly subject_id: string | null
  readonly changes: readonly FieldChange[]
  readonly more_changes: number
}

/**
 * Its id is a UUIDv7 of the database's time, in whose 12 bits after the milliseconds the microseconds stand (RFC 9562,
 * method 3): so entries of one transaction sort in the order in which they were written.
 */
export async function insertEntry(tx: Queryable, entry: NewEntry): Promise<void> {
  const { actor } = entry
  await tx.query({
    text: `
      insert into audit_log (id, at, actor_kind, actor_id, actor_name, action, tenant, subject_kind, subject_id, changes,
        more_changes)
      select (lpad(to_hex(us / 1000), 12, '0') || '7' || lpad(to_hex(us % 1000 * 4096 / 1000), 3, '0')
              || substr(replace(gen_random_uuid()::text, '-', ''), 17))::uuid,
             at, $1, $2, $3, $4, $5, $6, $7, $8, $9
      from (select at, (extract(epoch from at) * 1000000)::bigint as us from clock_timestamp() as at) as now`,
    values: [
      actor.kind,
      actor.id,
      actor.name,
      entry.action,
      entry.tenant,
      entry.subjectKind,
      entry.subjectId,
      JSON.stringify(entry.changes),
      entry.more,
    ],
  })
}

/** What to list. Undefined: whatever it is. */
export interface EntryFilter {
  readonly tenant?: string | undefined
  readonly action?: string | undefined
  /** `id` undefined: all of the kind. */
  readonly subject?: { readonly kind: string; readonly id: string | undefined } | undefined
  /** `id` undefined: the one that has none. */
  readonly actor?: { readonly kind: string; readonly id: string | undefined } | undefined
  /** Unix milliseconds: from this moment on. */
  readonly since?: number | undefined
  /** Unix milliseconds: before this moment. */
  readonly until?: number | undefined
}

/**
 * Newest first, from below `before`. A tenant sees what was written since it was made: an id of a tenant can be given
 * again after a deletion, and what was done for the former one is not for the new one.
 */
export async function listEntries(
  db: Queryable,
  reach: Reach,
  filter: EntryFilter,
  page: { readonly limit: number; readonly before: Uuid | undefined },
): Promise<readonly EntryRow[]> {
  const { tenant, action, subject, actor, since, until } = filter
  const bounds = [page.before, until === undefined ? undefined : uuidLowerBound(until)]
  const conditions: readonly (readonly [condition: string, value: unknown])[] = [
    ['tenant = $n and at >= (select created_at from tenants where id = $n)', reach.tenant ?? undefined],
    ['tenant = $n', tenant],
    ['action = $n', action],
    ['subject_kind = $n', subject?.kind],
    ['subject_id = $n', subject?.id],
    ['actor_kind = $n', actor?.kind],
    [actor?.id === undefined ? 'actor_id is null and $n' : 'actor_id = $n', actor && (actor.id ?? true)],
    ['id >= $n::uuid', since === undefined ? undefined : uuidLowerBound(since)],
    ['id < $n::uuid', bounds.filter(bound => bound !== undefined).sort()[0]],
  ]
  const given = conditions.filter(([, value]) => value !== undefined)
  const where = given.map(([condition], index) => condition.replaceAll('$n', `$${index + 2}`))
  const { rows } = await db.query<EntryRow>({
    text: `
      select id, at, actor_kind, actor_id, actor_name, action, tenant, subject_kind, subject_id, changes, more_changes
      from audit_log ${where.length === 0 ? '' : `where ${where.join(' and ')}`}
      order by id desc limit $1`,
    values: [page.limit, ...given.map(([, value]) => value)],
  })
  return rows
}
