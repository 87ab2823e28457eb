import { getRouteApi, Link, useNavigate } from '@tanstack/react-router'
import { Plus, Webhook } from 'lucide-react'
import { useList, useRead } from '../../api/queries.ts'
import type { Subscription, SubscriptionFigures } from '../../api/schema.ts'
import { StateBadge, Tag } from '../../design/badge.tsx'
import { ButtonLink } from '../../design/button.tsx'
import type { Column } from '../../design/column.ts'
import { type Filter, FilterBar } from '../../design/filter-bar.tsx'
import { Page } from '../../design/page.tsx'
import { useSelection } from '../../design/selection.tsx'
import { OutcomeBars } from '../../design/sparkline.tsx'
import { EmptyState } from '../../design/states.tsx'
import { DataTable } from '../../design/table.tsx'
import { durationText, Time } from '../../design/time.tsx'
import type { CsvColumn } from '../../parts/csv.ts'
import { ExportButton } from '../../parts/export-button.tsx'
import { mostWords } from '../../parts/failure-words.ts'
import { percentText } from '../../parts/percent.ts'
import { SavedViews } from '../../parts/saved-views.tsx'
import { Reason, shortUrl } from '../../parts/subscription-name.tsx'
import { useCan, useTenant } from '../../shell/me.ts'
import { BulkActions } from './bulk.tsx'

const route = getRouteApi('/subscriptions')
const states = ['active', 'degraded', 'circuit_open', 'paused', 'disabled'] as const

const filters: readonly Filter[] = [
  { key: 'state', name: 'state', hint: 'how it is', options: states, only: true },
  { key: 'q', name: 'text', hint: 'in its address, name or description' },
  { key: 'event_type', name: 'type', hint: 'wants events of this type' },
]

const usualViews = [
  { name: 'Circuit open', query: 'state=circuit_open' },
  { name: 'Disabled', query: 'state=disabled' },
  { name: 'Paused', query: 'state=paused' },
]

const csvColumns: readonly CsvColumn<Subscription>[] = [
  { name: 'id', value: row => row.id },
  { name: 'uid', value: row => row.uid },
  { name: 'tenant', value: row => row.tenant },
  { name: 'description', value: row => row.description },
  { name: 'target_url', value: row => row.target_url },
  { name: 'event_types', value: row => row.event_types?.join(' ') },
  { name: 'state', value: row => row.state },
  { name: 'state_reason', value: row => row.state_reason },
  { name: 'state_since', value: row => row.state_since },
  { name: 'created_at', value: row => row.created_at },
]

const trouble: Readonly<Record<Subscription['state'], number>> = {
  circuit_open: 0,
  disabled: 1,
  degraded: 2,
  paused: 3,
  active: 4,
}

const columns = (figures: ReadonlyMap<number, SubscriptionFigures>): readonly Column<Subscription>[] => [
  {
    id: 'target',
    head: 'Subscription',
    cell: ({ id, uid, tenant, target_url: url, description }) => (
      <Link
        to="/subscriptions/$id"
        params={{ id: String(id) }}
        className="flex min-w-0 items-baseline gap-2 rounded"
      >
        <span className="text-ink-3">#{id}</span>
        <span className="max-w-[75%] shrink-0 truncate font-medium">{description || shortUrl(url)}</span>
        <span className="hidden min-w-0 truncate text-xs text-ink-3 md:inline">
          {[tenant !== 'default' && tenant, uid ?? (description && shortUrl(url))]
            .filter(Boolean)
            .join(' · ')}
        </span>
      </Link>
    ),
  },
  {
    id: 'state',
    head: 'State',
    width: 'min(7.75rem, 33vw)',
    cell: ({ state }) => <StateBadge state={state} />,
  },
  {
    id: 'why',
    head: 'Why',
    width: '24%',
    from: 'lg',
    cell: ({ id, state, state_reason: reason, state_since: since }) =>
      state === 'active' ? (
        <span className="text-ink-3">–</span>
      ) : (
        <span className="text-xs text-ink-2">
          <Time at={since} /> ·{' '}
          {state === 'paused' && reason === null
            ? 'by hand'
            : (mostWords(figures.get(id)?.totals) ?? (reason && <Reason short text={reason} />))}
        </span>
      ),
  },
  {
    id: 'stats',
    head: 'Last 24 h',
    width: '7rem',
    from: 'sm',
    cell: ({ id }) => {
      const found = figures.get(id)
      if (found === undefined) return null
      const { success, failed } = found.totals
      return (
        <OutcomeBars
          bars={found.buckets}
          label={`${success} accepted, ${failed} failed in the last 24 hours`}
        />
      )
    },
  },
  {
    id: 'rate',
    head: 'Accepted',
    width: '5.5rem',
    align: 'right',
    from: 'md',
    cell: ({ id }) => {
      const rate = figures.get(id)?.totals.success_rate ?? null
      return (
        <span className={rate !== null && rate < 0.9 ? 'text-bad' : 'text-ink-2'}>{percentText(rate)}</span>
      )
    },
  },
  {
    id: 'p95',
    head: 'p95',
    width: '5rem',
    align: 'right',
    from: 'lg',
    cell: ({ id }) => <span className="text-ink-2">{durationText(figures.get(id)?.totals.p95_ms)}</span>,
  },
  {
    id: 'types',
    head: 'Event types',
    width: '15%',
    from: '2xl',
    cell: ({ event_types: types, filter }) => (
      <span className="space-x-1">
        {types === null || types.length === 0 ? (
          <span className="text-ink-3">all</span>
        ) : (
          types.slice(0, 3).map(type => <Tag key={type}>{type}</Tag>)
        )}
        {types && types.length > 3 && <span className="text-xs text-ink-3">+{types.length - 3}</span>}
        {filter && <Tag>filter</Tag>}
      </span>
    ),
  },
]

/** All subscriptions, those that are unwell first. */
export function Subscriptions() {
  const search = route.useSearch()
  const navigate = useNavigate({ from: '/subscriptions' })
  const tenant = useTenant()
  const mayWrite = useCan('write')
  const query = { ...search, limit: 250, tenant }
  const list = useList('listSubscriptions', { query }, { everyMs: 10_000 })
  const selection = useSelection()
  const rows = [...list.rows].sort((a, b) => trouble[a.state] - trouble[b.state] || b.id - a.id)
  const ids = list.rows.slice(0, 100).map(({ id }) => id)
  const stats = useRead(
    'listSubscriptionStats',
    { query: { window: '24h', ids: ids.join(',') } },
    { enabled: ids.length > 0, everyMs: 30_000, keep: true },
  )
  const figures = new Map((stats.data ?? []).map(one => [one.subscription_id, one]))
  const unwell = list.rows.filter(({ state }) => trouble[state] < 3).length
  const isFiltered = Object.values(search).some(Boolean)
  return (
    <Page
      full
      title="Subscriptions"
      facts={
        list.rows.length > 0 &&
        `${list.rows.length}${list.hasMore ? '+' : ''} ${isFiltered ? 'fit' : 'in all'} · ${unwell === 0 ? 'all of them are well' : `${unwell} unwell`}`
      }
      actions={
        mayWrite &&
        (list.rows.length > 0 || isFiltered) && (
          <ButtonLink to="/subscriptions/new" look="primary" icon={<Plus className="h-4 w-4" />}>
            New subscription
          </ButtonLink>
        )
      }
    >
      <FilterBar
        filters={filters}
        values={search}
        freeText="q"
        onChange={values => void navigate({ search: values, replace: true })}
      >
        <SavedViews path="/subscriptions" search={search} usual={usualViews} />
        <ExportButton id="listSubscriptions" input={{ query }} name="subscriptions" columns={csvColumns} />
      </FilterBar>
      <DataTable
        label="Subscriptions"
        columns={columns(figures)}
        list={{ ...list, rows }}
        selection={mayWrite ? selection : undefined}
        keyOf={({ id }) => String(id)}
        onOpen={({ id }) => void navigate({ to: '/subscriptions/$id', params: { id: String(id) } })}
        clearFilters={isFiltered ? () => void navigate({ search: {}, replace: true }) : undefined}
        empty={
          <EmptyState
            title="No subscriptions yet"
            icon={<Webhook />}
            action={
              mayWrite && (
                <ButtonLink to="/subscriptions/new" look="primary" icon={<Plus className="h-4 w-4" />}>
                  New subscription
                </ButtonLink>
              )
            }
          >
            A subscription says where events go: an address, and which events it wants. What is sent there is
            signed, tried again until it is accepted, and listed here with every attempt.
          </EmptyState>
        }
      />
      {mayWrite && <BulkActions rows={rows} selection={selection} />}
    </Page>
  )
}
