import { Link, type LinkProps } from '@tanstack/react-router'
import { useRead } from '../../api/queries.ts'
import type { AuditEntry } from '../../api/schema.ts'
import { Tag } from '../../design/badge.tsx'
import { useCan } from '../../shell/me.ts'

/** The ids of the things of a kind that there still are; undefined: they are not known, or not all of them. */
export type Existing = Readonly<Record<string, ReadonlySet<string> | undefined>>

/** A list says which things there are only where all of them fit in. */
const listMax = 250

/** Which of the things on a page there still are: asked once for each kind that it has. */
export function useExisting(entries: readonly AuditEntry[]): Existing {
  const kinds = new Set(entries.map(({ subject }) => subject.kind))
  const mayKeys = useCan('keys')
  const mayAdmin = useCan('admin')
  const limit = { query: { limit: listMax } }
  const subscriptions = useRead('listSubscriptions', limit, { enabled: kinds.has('subscription') })
  const receivers = useRead('listTestReceivers', limit, { enabled: kinds.has('test_receiver') })
  const sources = useRead('listSources', limit, { enabled: kinds.has('source') })
  const types = useRead('listEventTypes', limit, { enabled: kinds.has('event_type') })
  const tenants = useRead('listTenants', limit, { enabled: mayAdmin && kinds.has('tenant') })
  const keys = useRead('listKeys', limit, { enabled: mayKeys && kinds.has('key') })
  return {
    subscription: idsOf(subscriptions.data, ({ id }) => id),
    test_receiver: idsOf(receivers.data, ({ id }) => id),
    source: idsOf(sources.data, ({ id }) => id),
    event_type: idsOf(types.data, ({ name }) => name),
    tenant: idsOf(tenants.data, ({ id }) => id),
    key: idsOf(keys.data, ({ id }) => id),
  }
}

function idsOf<Row>(
  rows: readonly Row[] | undefined,
  id: (row: Row) => string | number,
): ReadonlySet<string> | undefined {
  return rows === undefined || rows.length >= listMax ? undefined : new Set(rows.map(row => String(id(row))))
}

/** Where a thing is shown; undefined: nowhere, or not to this person. */
function placeOf(
  kind: string,
  id: string,
  may: { readonly keys: boolean; readonly admin: boolean },
): Pick<LinkProps, 'to' | 'params' | 'search'> | undefined {
  switch (kind) {
    case 'subscription':
      return { to: '/subscriptions/$id', params: { id } }
    case 'event':
      return { to: '/events/$id', params: { id } }
    case 'test_receiver':
      return { to: '/test-receivers', search: { id } }
    case 'source':
      return { to: '/sources', search: { id } }
    case 'event_type':
      return { to: '/event-types', search: { name: id } }
    case 'replay':
      return { to: '/replays' }
    case 'tenant':
      return may.admin ? { to: '/tenants', search: { q: id } } : undefined
    case 'key':
      return may.keys ? { to: '/keys' } : undefined
    default:
      return undefined
  }
}

/** To what something was done: a link to it, where there still is such a thing. */
export function Subject({
  entry: { action, subject },
  existing,
}: {
  readonly entry: AuditEntry
  readonly existing: Existing
}) {
  const may = { keys: useCan('keys'), admin: useCan('admin') }
  const { kind, id } = subject
  const tag = <Tag>{`${kind}${id === null ? '' : ` ${id}`}`}</Tag>
  const isGone =
    /\.(deleted|revoked)$/.test(action) || (id !== null && existing[kind] && !existing[kind].has(id))
  const place = id === null || isGone ? undefined : placeOf(kind, id, may)
  if (place === undefined) return tag
  return (
    <Link {...place} className="inline-block max-w-full rounded hover:underline [&_code]:text-accent">
      {tag}
    </Link>
  )
}
