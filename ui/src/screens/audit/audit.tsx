import { getRouteApi, useNavigate } from '@tanstack/react-router'
import { ScrollText } from 'lucide-react'
import { useList } from '../../api/queries.ts'
import type { AuditEntry } from '../../api/schema.ts'
import type { Column } from '../../design/column.ts'
import { type Filter, FilterBar } from '../../design/filter-bar.tsx'
import { Page } from '../../design/page.tsx'
import { EmptyState } from '../../design/states.tsx'
import { DataTable } from '../../design/table.tsx'
import { Time, useNow } from '../../design/time.tsx'
import { Tooltip } from '../../design/tooltip.tsx'
import type { CsvColumn } from '../../parts/csv.ts'
import { ExportButton } from '../../parts/export-button.tsx'
import { SavedViews } from '../../parts/saved-views.tsx'
import { useTenant } from '../../shell/me.ts'
import { momentOf } from '../../shell/search.ts'
import { type Existing, Subject, useExisting } from './subject.tsx'

const route = getRouteApi('/audit')

const filters: readonly Filter[] = [
  {
    key: 'action',
    name: 'action',
    hint: 'what was done',
    options: [
      'subscription.created',
      'subscription.updated',
      'subscription.deleted',
      'key.created',
      'key.revoked',
      'tenant.created',
      'session.created',
      'session.ended',
    ],
  },
  { key: 'subject', name: 'subject', hint: 'to what, such as subscription:12' },
  { key: 'actor', name: 'actor', hint: 'by whom, such as key:3' },
  { key: 'since', name: 'since', hint: '2h, 7d or a time', options: ['1h', '24h', '7d'] },
  { key: 'until', name: 'until', hint: '1h or a time' },
]

const columns = (existing: Existing): readonly Column<AuditEntry>[] => [
  {
    id: 'action',
    head: 'What',
    cell: ({ action }) => (
      <span className="font-medium">{action.replaceAll('_', ' ').replace('.', ' ')}</span>
    ),
  },
  {
    id: 'subject',
    head: 'To what',
    width: '12rem',
    from: 'md',
    cell: entry => <Subject entry={entry} existing={existing} />,
  },
  { id: 'changes', head: 'Changed', width: '28%', from: 'sm', cell: entry => <Changes entry={entry} /> },
  {
    id: 'actor',
    head: 'By',
    width: '22%',
    cell: ({ actor }) => <span className="text-ink-2">{actor.name}</span>,
  },
  {
    id: 'at',
    head: 'When',
    width: '6.5rem',
    align: 'right',
    cell: ({ at }) => (
      <span className="text-ink-2">
        <Time at={at} />
      </span>
    ),
  },
]

const usualViews = [
  { name: 'Sign-ins', query: 'subject=session' },
  { name: 'Subscriptions in the last day', query: 'subject=subscription&since=24h' },
  { name: 'Keys', query: 'subject=key' },
]

const csvColumns: readonly CsvColumn<AuditEntry>[] = [
  { name: 'at', value: row => row.at },
  { name: 'actor_kind', value: row => row.actor.kind },
  { name: 'actor_id', value: row => row.actor.id },
  { name: 'actor_name', value: row => row.actor.name },
  { name: 'action', value: row => row.action },
  { name: 'tenant', value: row => row.tenant },
  { name: 'subject', value: row => [row.subject.kind, row.subject.id].filter(Boolean).join(':') },
  { name: 'changes', value: row => row.changes },
]

function Changes({ entry: { changes, more_changes: more } }: { readonly entry: AuditEntry }) {
  if (changes.length === 0) return <span className="text-ink-3">–</span>
  const line = (value: unknown) =>
    value === undefined || value === null
      ? 'nothing'
      : typeof value === 'string'
        ? value
        : JSON.stringify(value)
  return (
    <Tooltip
      text={[
        ...changes.map(
          ({ field, before, after, secret }) => `${field}: ${secret ?? `${line(before)} → ${line(after)}`}`,
        ),
        ...(more > 0 ? [`and ${more} more`] : []),
      ].join('\n')}
    >
      <button type="button" className="max-w-full truncate rounded text-left text-xs text-ink-2">
        {changes.map(({ field }) => field).join(', ')}
        {more > 0 && ` +${more}`}
      </button>
    </Tooltip>
  )
}

/** Who has changed what. */
export function Audit() {
  const search = route.useSearch()
  const navigate = useNavigate({ from: '/audit' })
  const tenant = useTenant()
  const minute = useNow(60_000)
  const query = {
    ...search,
    since: momentOf(search.since, minute),
    until: momentOf(search.until, minute),
    tenant,
    limit: 50,
  }
  const list = useList('listAudit', { query }, { everyMs: 15_000 })
  const existing = useExisting(list.rows)
  return (
    <Page full title="Audit log">
      <FilterBar
        filters={filters}
        values={search}
        freeText="action"
        onChange={values => void navigate({ search: values, replace: true })}
      >
        <SavedViews path="/audit" search={search} usual={usualViews} />
        <ExportButton id="listAudit" input={{ query }} name="audit" columns={csvColumns} />
      </FilterBar>
      <DataTable
        label="Audit log"
        columns={columns(existing)}
        list={list}
        keyOf={({ id }) => id}
        newestFirst
        clearFilters={
          Object.values(search).some(Boolean) ? () => void navigate({ search: {}, replace: true }) : undefined
        }
        empty={
          <EmptyState title="Nothing was changed yet" icon={<ScrollText />}>
            Whoever makes, changes or deletes something here or by the API is listed, with what changed.
          </EmptyState>
        }
      />
    </Page>
  )
}
