import { getRouteApi, Link, Outlet, useNavigate, useParams } from '@tanstack/react-router'
import { History, Radio, Send } from 'lucide-react'
import { useState } from 'react'
import { useList, useRead } from '../../api/queries.ts'
import type { EventSummary } from '../../api/schema.ts'
import { StateBadge, Tag } from '../../design/badge.tsx'
import { Button, ButtonLink } from '../../design/button.tsx'
import type { Column } from '../../design/column.ts'
import { Id } from '../../design/copy.tsx'
import { cx } from '../../design/cx.ts'
import { type Filter, FilterBar } from '../../design/filter-bar.tsx'
import { Page } from '../../design/page.tsx'
import { EmptyState } from '../../design/states.tsx'
import { DataTable } from '../../design/table.tsx'
import { bytesText, Time, useNow } from '../../design/time.tsx'
import type { CsvColumn } from '../../parts/csv.ts'
import { ExportButton } from '../../parts/export-button.tsx'
import { SavedViews } from '../../parts/saved-views.tsx'
import { useSubscriptionFilter } from '../../parts/subscription-name.tsx'
import { useCan, useTenant } from '../../shell/me.ts'
import { momentOf } from '../../shell/search.ts'

const route = getRouteApi('/events')
const spans = ['15m', '1h', '2h', '24h', '7d'] as const

const columns: readonly Column<EventSummary>[] = [
  {
    id: 'type',
    head: 'Event',
    cell: ({ webhook_id: id, event_type: type, event_id: own, channels }) => (
      <Link
        to="/events/$id"
        params={{ id }}
        search
        resetScroll={false}
        className="flex min-w-0 items-baseline gap-2 rounded"
      >
        <span className="truncate font-medium">{type ?? <span className="text-ink-3">no type</span>}</span>
        {own && <span className="hidden truncate font-mono text-xs text-ink-3 md:inline">{own}</span>}
        {channels.slice(0, 2).map(channel => (
          <Tag key={channel}>{channel}</Tag>
        ))}
      </Link>
    ),
  },
  {
    id: 'status',
    head: 'State',
    width: 'min(8rem, 29vw)',
    cell: ({ status }) => <StateBadge state={status} />,
  },
  {
    id: 'deliveries',
    head: 'Deliveries',
    width: '11rem',
    from: 'md',
    cell: row => <Counts counts={row.deliveries} />,
  },
  { id: 'id', head: 'Id', width: '9rem', from: 'lg', cell: ({ webhook_id: id }) => <Id id={id} /> },
  {
    id: 'tenant',
    head: 'Tenant',
    width: '8rem',
    from: 'xl',
    tone: 'quiet',
    cell: ({ tenant }) => tenant,
  },
  {
    id: 'size',
    head: 'Size',
    width: '5.5rem',
    align: 'right',
    from: 'lg',
    tone: 'faint',
    cell: ({ size_bytes: size }) => bytesText(size),
  },
  {
    id: 'at',
    head: 'Accepted',
    width: 'min(6.5rem, 25vw)',
    align: 'right',
    tone: 'quiet',
    cell: ({ created_at: at }) => <Time at={at} />,
  },
]

function Counts({
  counts: { total, success, failed, pending, cancelled },
}: {
  readonly counts: EventSummary['deliveries']
}) {
  if (total === 0) return <span className="text-ink-3">none</span>
  const parts = [
    success > 0 && { shape: '●', tone: 'text-good', count: success, name: 'delivered' },
    pending > 0 && { shape: '◔', tone: 'text-busy', count: pending, name: 'pending' },
    failed > 0 && { shape: '✕', tone: 'text-bad', count: failed, name: 'failed' },
    cancelled > 0 && { shape: '⊘', tone: 'text-idle', count: cancelled, name: 'cancelled' },
  ].filter(part => part !== false)
  return (
    <span className="space-x-2.5 text-xs font-medium">
      {parts.map(({ shape, tone, count, name }) => (
        <span key={name} data-shape={shape} className={cx('shaped', tone)}>
          {count}
          <span className="only-spoken"> {name}</span>
        </span>
      ))}
    </span>
  )
}

/** What came in, and what became of it. */
export function Events() {
  const search = route.useSearch()
  const { id: openId } = useParams({ strict: false })
  const navigate = useNavigate({ from: '/events' })
  const tenant = useTenant()
  const maySend = useCan('publish')
  const [live, setLive] = useState(true)
  const minute = useNow(60_000)
  const types = useRead('listEventTypes', { query: { limit: 250, tenant } })
  const query = {
    ...search,
    since: momentOf(search.since, minute),
    until: momentOf(search.until, minute),
    tenant,
    limit: 100,
  }
  const list = useList('listEvents', { query }, { everyMs: live ? 3000 : false })
  const bySubscription = useSubscriptionFilter('went to this subscription')
  const filters = filtersWith(
    (types.data ?? []).map(({ name }) => name),
    bySubscription,
  )
  const isFiltered = Object.values(search).some(Boolean)
  return (
    <>
      <Page
        full
        title="Events"
        actions={
          <>
            <Button
              look={live ? 'secondary' : 'quiet'}
              aria-pressed={live}
              icon={<Radio className={live ? 'h-3.5 w-3.5 text-good' : 'h-3.5 w-3.5'} />}
              onClick={() => setLive(!live)}
            >
              {live ? 'Live' : 'Paused'}
            </Button>
            {maySend && (
              <ButtonLink to="/send" icon={<Send className="h-3.5 w-3.5" />}>
                Send an event
              </ButtonLink>
            )}
          </>
        }
      >
        <FilterBar
          filters={filters}
          values={search}
          freeText="q"
          onChange={values => void navigate({ search: values, replace: true })}
        >
          <SavedViews path="/events" search={search} usual={usualViews} />
          <ExportButton id="listEvents" input={{ query }} name="events" columns={csvColumns} />
        </FilterBar>
        <DataTable
          label="Events"
          columns={columns}
          list={list}
          keyOf={({ webhook_id: id }) => id}
          openKey={openId}
          newestFirst
          onOpen={({ webhook_id: id }) =>
            void navigate({
              to: '/events/$id',
              params: { id },
              search: true,
              resetScroll: false,
              replace: openId !== undefined,
            })
          }
          clearFilters={isFiltered ? () => void navigate({ search: {}, replace: true }) : undefined}
          empty={
            <EmptyState
              title="No events yet"
              icon={<History />}
              action={
                maySend && (
                  <ButtonLink to="/send" look="primary" icon={<Send className="h-3.5 w-3.5" />}>
                    Send one
                  </ButtonLink>
                )
              }
            >
              What is sent to <code className="font-mono">POST /events</code> or{' '}
              <code className="font-mono">POST /ingest/…</code> appears here as soon as it is accepted.
            </EmptyState>
          }
        />
      </Page>
      <Outlet />
    </>
  )
}

const usualViews = [
  { name: 'Failed in the last day', query: 'status=failed&since=24h' },
  { name: 'No subscription wanted it', query: 'status=unmatched' },
  { name: 'Still pending', query: 'status=pending' },
]

const csvColumns: readonly CsvColumn<EventSummary>[] = [
  { name: 'webhook_id', value: row => row.webhook_id },
  { name: 'event_id', value: row => row.event_id },
  { name: 'event_type', value: row => row.event_type },
  { name: 'tenant', value: row => row.tenant },
  { name: 'status', value: row => row.status },
  { name: 'created_at', value: row => row.created_at },
  { name: 'content_type', value: row => row.content_type },
  { name: 'size_bytes', value: row => row.size_bytes },
  { name: 'deliveries', value: row => row.deliveries.total },
  { name: 'delivered', value: row => row.deliveries.success },
  { name: 'failed', value: row => row.deliveries.failed },
  { name: 'pending', value: row => row.deliveries.pending },
  { name: 'cancelled', value: row => row.deliveries.cancelled },
]

function filtersWith(types: readonly string[], bySubscription: Filter): readonly Filter[] {
  return [
    {
      key: 'status',
      name: 'status',
      hint: 'what became of it',
      options: ['pending', 'success', 'failed', 'cancelled', 'unmatched'],
      only: true,
    },
    { key: 'event_type', name: 'type', hint: 'its type, exactly', options: types },
    bySubscription,
    { key: 'since', name: 'since', hint: '2h, 7d or a time', options: spans },
    { key: 'until', name: 'until', hint: '1h or a time' },
    { key: 'channel', name: 'channel', hint: 'one of its channels' },
    { key: 'event_id', name: 'event-id', hint: "its sender's id" },
    { key: 'idempotency_key', name: 'idempotency-key', hint: 'the key it was sent with' },
    { key: 'q', name: 'text', hint: 'a webhook id, or how its type begins' },
  ]
}
