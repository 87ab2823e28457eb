import { getRouteApi, Link, useNavigate } from '@tanstack/react-router'
import { History } from 'lucide-react'
import { useList } from '../../api/queries.ts'
import type { Attempt, Subscription } from '../../api/schema.ts'
import { HttpStatus, StateBadge, TriggerBadge } from '../../design/badge.tsx'
import { ButtonLink } from '../../design/button.tsx'
import type { Column } from '../../design/column.ts'
import { Segmented } from '../../design/field.tsx'
import { EmptyState } from '../../design/states.tsx'
import { DataTable } from '../../design/table.tsx'
import { Countdown, durationText, Time } from '../../design/time.tsx'
import type { CsvColumn } from '../../parts/csv.ts'
import { attemptWords } from '../../parts/deliveries.tsx'
import { ExportButton } from '../../parts/export-button.tsx'
import { Waiting } from './waiting.tsx'

const route = getRouteApi('/subscriptions/$id')

const columns: readonly Column<Attempt>[] = [
  {
    id: 'state',
    head: 'Attempt',
    width: '12rem',
    cell: attempt => (
      <Link to="/attempts/$id" params={{ id: attempt.id }} className="flex items-center gap-2 rounded">
        <StateBadge state={attempt.status === 'success' ? 'success' : attempt.verdict} />
        <TriggerBadge trigger={attempt.trigger} />
      </Link>
    ),
  },
  {
    id: 'answer',
    head: 'Answer',
    cell: attempt => (
      <span className="flex items-center gap-2">
        {attempt.http_status !== null && <HttpStatus status={attempt.http_status} />}
        <span className="truncate text-ink-2">
          {attempt.status === 'success'
            ? ''
            : attempt.http_status === null
              ? attemptWords(attempt)
              : (attempt.error ?? '')}
        </span>
      </span>
    ),
  },
  {
    id: 'n',
    head: 'No.',
    width: '3.5rem',
    align: 'right',
    from: 'sm',
    cell: ({ attempt }) => <span className="text-ink-3">{attempt}</span>,
  },
  {
    id: 'took',
    head: 'Took',
    width: '5rem',
    align: 'right',
    from: 'sm',
    cell: ({ duration_ms: ms }) => durationText(ms),
  },
  {
    id: 'next',
    head: 'Next',
    width: '7rem',
    from: 'lg',
    cell: ({ next_attempt_at: next }) =>
      next === null ? (
        ''
      ) : Date.parse(next) < Date.now() ? (
        <span className="text-ink-3">made</span>
      ) : (
        <Countdown at={next} />
      ),
  },
  {
    id: 'event',
    head: 'Event',
    width: '9rem',
    from: 'md',
    cell: ({ webhook_id: id, trigger }) =>
      trigger === 'test' ? (
        <span className="text-ink-3">a test</span>
      ) : (
        <Link to="/events/$id" params={{ id }} className="rounded font-mono text-xs hover:underline">
          {id.slice(0, 8)}…{id.slice(-4)}
        </Link>
      ),
  },
  {
    id: 'at',
    head: 'When',
    width: '6.5rem',
    align: 'right',
    cell: ({ timestamp }) => (
      <span className="text-ink-2">
        <Time at={timestamp} />
      </span>
    ),
  },
]

const csvColumns: readonly CsvColumn<Attempt>[] = [
  { name: 'id', value: row => row.id },
  { name: 'webhook_id', value: row => row.webhook_id },
  { name: 'timestamp', value: row => row.timestamp },
  { name: 'attempt', value: row => row.attempt },
  { name: 'trigger', value: row => row.trigger },
  { name: 'status', value: row => row.status },
  { name: 'verdict', value: row => row.verdict },
  { name: 'http_status', value: row => row.http_status },
  { name: 'duration_ms', value: row => row.duration_ms },
  { name: 'error_class', value: row => row.error_class },
  { name: 'error', value: row => row.error },
  { name: 'next_attempt_at', value: row => row.next_attempt_at },
]

/** Every attempt, newest first; or what waits for its next one. */
export function DeliveriesTab({ subscription: { id } }: { readonly subscription: Subscription }) {
  const { status } = route.useSearch()
  const navigate = useNavigate({ from: '/subscriptions/$id' })
  const input = logsOf(id, status)
  return (
    <>
      <div className="mb-3 flex flex-wrap items-center justify-between gap-2">
        <Segmented
          label="Which attempts"
          value={status ?? ''}
          options={[
            { value: '', label: 'All' },
            { value: 'success', label: 'Delivered' },
            { value: 'failed', label: 'Failed' },
            { value: 'waiting', label: 'Waiting' },
          ]}
          onChange={next =>
            void navigate({
              search: { tab: 'deliveries', ...(next && { status: next }) },
              replace: true,
              resetScroll: false,
            })
          }
        />
        {status !== 'waiting' && (
          <ExportButton id="listLogs" input={input} name={`attempts-${id}`} columns={csvColumns} />
        )}
      </div>
      {status === 'waiting' ? <Waiting id={id} /> : <Attempts id={id} status={status} />}
    </>
  )
}

const logsOf = (id: number, status: string | undefined) => ({
  path: { subscription_id: id },
  query: { limit: 100, status },
})

function Attempts({ id, status }: { readonly id: number; readonly status: string | undefined }) {
  const navigate = useNavigate({ from: '/subscriptions/$id' })
  const list = useList('listLogs', logsOf(id, status), { everyMs: 3000 })
  return (
    <DataTable
      label="Attempts"
      columns={columns}
      list={list}
      keyOf={attempt => attempt.id}
      newestFirst
      onOpen={attempt => void navigate({ to: '/attempts/$id', params: { id: attempt.id } })}
      clearFilters={
        status ? () => void navigate({ search: { tab: 'deliveries' }, replace: true }) : undefined
      }
      empty={
        <EmptyState
          title="Nothing was sent here yet"
          icon={<History />}
          action={
            <ButtonLink to="/send" search={{ to: String(id) }}>
              Send it an event
            </ButtonLink>
          }
        >
          Each attempt is listed with what was sent, what came back and where the time went.
        </EmptyState>
      }
    />
  )
}
