import { getRouteApi, Link, Outlet, useNavigate, useParams } from '@tanstack/react-router'
import { Bookmark, History, Radio, Send } from 'lucide-react'
import { useState } from 'react'
import { useList, useRead } from '../../api/queries.ts'
import type { EventSummary } from '../../api/schema.ts'
import { StateBadge, Tag } from '../../design/badge.tsx'
import { Button, ButtonLink, IconButton } from '../../design/button.tsx'
import { Id } from '../../design/copy.tsx'
import { type Filter, FilterBar } from '../../design/filter-bar.tsx'
import { Menu } from '../../design/menu.tsx'
import { Page } from '../../design/page.tsx'
import { EmptyState } from '../../design/states.tsx'
import { type Column, DataTable } from '../../design/table.tsx'
import { bytesText, Time, useNow } from '../../design/time.tsx'
import { useCan, useTenant } from '../../shell/me.ts'
import { setPreferences, usePreferences } from '../../shell/preferences.ts'
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
  { id: 'status', head: 'State', width: '8rem', cell: ({ status }) => <StateBadge state={status} /> },
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
    cell: ({ tenant }) => <span className="text-ink-2">{tenant}</span>,
  },
  {
    id: 'size',
    head: 'Size',
    width: '5.5rem',
    align: 'right',
    from: 'lg',
    cell: ({ size_bytes: size }) => <span className="text-ink-3">{bytesText(size)}</span>,
  },
  {
    id: 'at',
    head: 'Accepted',
    width: '6.5rem',
    align: 'right',
    cell: ({ created_at: at }) => (
      <span className="text-ink-2">
        <Time at={at} />
      </span>
    ),
  },
]

function Counts({
  counts: { total, success, failed, pending, cancelled },
}: {
  readonly counts: EventSummary['deliveries']
}) {
  if (total === 0) return <span className="text-ink-3">none</span>
  const parts = [
    success > 0 && { key: 'success', tone: 'text-good', text: `● ${success}`, name: 'delivered' },
    pending > 0 && { key: 'pending', tone: 'text-busy', text: `◔ ${pending}`, name: 'pending' },
    failed > 0 && { key: 'failed', tone: 'text-bad', text: `✕ ${failed}`, name: 'failed' },
    cancelled > 0 && { key: 'cancelled', tone: 'text-idle', text: `⊘ ${cancelled}`, name: 'cancelled' },
  ].filter(part => part !== false)
  return (
    <span className="space-x-2.5 text-xs font-medium">
      {parts.map(({ key, tone, text, name }) => (
        <span key={key} className={tone}>
          {text}
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
    limit: 50,
  }
  const list = useList('listEvents', { query }, { everyMs: live ? 3000 : false })
  const filters = filtersWith((types.data ?? []).map(({ name }) => name))
  const isFiltered = Object.values(search).some(Boolean)
  return (
    <>
      <Page
        full
        title="Events"
        actions={
          <>
            <Button
              size="sm"
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
          <SavedViews />
        </FilterBar>
        <DataTable
          label="Events"
          columns={columns}
          list={list}
          keyOf={({ webhook_id: id }) => id}
          openKey={openId}
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

function filtersWith(types: readonly string[]): readonly Filter[] {
  return [
    {
      key: 'status',
      name: 'status',
      hint: 'what became of it',
      options: ['pending', 'success', 'failed', 'cancelled', 'unmatched'],
      only: true,
    },
    { key: 'event_type', name: 'type', hint: 'its type, exactly', options: types },
    { key: 'subscription_id', name: 'subscription', hint: 'went to this subscription' },
    { key: 'since', name: 'since', hint: '2h, 7d or a time', options: spans },
    { key: 'until', name: 'until', hint: '1h or a time' },
    { key: 'channel', name: 'channel', hint: 'one of its channels' },
    { key: 'event_id', name: 'event-id', hint: "its sender's id" },
    { key: 'idempotency_key', name: 'idempotency-key', hint: 'the key it was sent with' },
    { key: 'q', name: 'text', hint: 'a webhook id, or how its type begins' },
  ]
}

/** Filters with a name, of this browser. */
function SavedViews() {
  const { views } = usePreferences()
  const search = route.useSearch()
  const navigate = useNavigate({ from: '/events' })
  const mine = views['/events'] ?? []
  const query = new URLSearchParams(Object.entries(search).filter(([, value]) => value)).toString()
  const save = () => {
    const name = query.replaceAll('=', ':').replaceAll('&', ' ').replaceAll('event_', '')
    setPreferences({
      views: { ...views, '/events': [...mine.filter(view => view.query !== query), { name, query }] },
    })
  }
  const isSaved = mine.some(view => view.query === query)
  return (
    <Menu
      trigger={
        <IconButton label="Saved views" className="h-8 w-8">
          <Bookmark className={isSaved ? 'h-4 w-4 fill-current text-accent' : 'h-4 w-4'} />
        </IconButton>
      }
      items={[
        ...[
          { name: 'Failed in the last day', query: 'status=failed&since=24h' },
          { name: 'No subscription wanted it', query: 'status=unmatched' },
          ...mine,
        ].map(view => ({
          label: decodeURIComponent(view.name),
          checked: view.query === query,
          onSelect: () => void navigate({ search: Object.fromEntries(new URLSearchParams(view.query)) }),
        })),
        null,
        isSaved
          ? {
              label: 'Forget this view',
              onSelect: () =>
                setPreferences({ views: { ...views, '/events': mine.filter(view => view.query !== query) } }),
            }
          : { label: 'Save this view', disabled: query === '', onSelect: save },
      ]}
    />
  )
}
