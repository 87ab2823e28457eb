import { getRouteApi, useNavigate } from '@tanstack/react-router'
import { ArchiveX, RotateCcw, Trash2 } from 'lucide-react'
import { useState } from 'react'
import { useList } from '../../api/queries.ts'
import type { ListedDelivery } from '../../api/schema.ts'
import { Button } from '../../design/button.tsx'
import type { Column } from '../../design/column.ts'
import { type Filter, FilterBar } from '../../design/filter-bar.tsx'
import { Page, Section } from '../../design/page.tsx'
import { useSelection } from '../../design/selection.tsx'
import { EmptyState } from '../../design/states.tsx'
import { DataTable } from '../../design/table.tsx'
import { numberText, Time, useNow } from '../../design/time.tsx'
import { BulkActions, keyOfDelivery } from '../../parts/bulk-deliveries.tsx'
import type { CsvColumn } from '../../parts/csv.ts'
import { attemptWords, errorClasses } from '../../parts/deliveries.tsx'
import { ExportButton } from '../../parts/export-button.tsx'
import { attemptsColumn, eventColumn, whyColumn } from '../../parts/listed-deliveries.tsx'
import { SavedViews } from '../../parts/saved-views.tsx'
import {
  nameOf,
  SubscriptionName,
  useSubscriptionFilter,
  useSubscriptionNames,
} from '../../parts/subscription-name.tsx'
import { useCan, useTenant } from '../../shell/me.ts'
import { momentOf } from '../../shell/search.ts'
import { DiscardThese, ReplayThese } from './all-of-them.tsx'

const route = getRouteApi('/dead-letters')

const otherFilters: readonly Filter[] = [
  { key: 'error_class', name: 'error', hint: 'why it failed last', options: errorClasses, only: true },
  { key: 'since', name: 'since', hint: '2h, 7d or a time', options: ['1h', '24h', '7d'] },
  { key: 'until', name: 'until', hint: '1h or a time' },
]

const columns: readonly Column<ListedDelivery>[] = [
  {
    id: 'subscription',
    head: 'Subscription',
    cell: ({ subscription_id: id }) => <SubscriptionName id={id} />,
  },
  { ...whyColumn, width: '38%' },
  { ...attemptsColumn, from: 'xl' },
  { ...eventColumn, from: 'lg' },
  {
    id: 'at',
    head: 'Last attempt',
    width: '7.5rem',
    align: 'right',
    from: 'sm',
    cell: ({ last_attempt_at: at }) => (
      <span className="text-ink-2">
        <Time at={at} />
      </span>
    ),
  },
]

const usualViews = [
  { name: 'In the last day', query: 'since=24h' },
  { name: 'Timed out', query: 'error_class=timeout' },
  { name: 'Refused by a status', query: 'error_class=http' },
]

const csvColumns: readonly CsvColumn<ListedDelivery>[] = [
  { name: 'webhook_id', value: row => row.webhook_id },
  { name: 'subscription_id', value: row => row.subscription_id },
  { name: 'tenant', value: row => row.tenant },
  { name: 'attempts', value: row => row.attempts },
  { name: 'last_attempt_at', value: row => row.last_attempt_at },
  { name: 'http_status', value: row => row.http_status },
  { name: 'error_class', value: row => row.error_class },
  { name: 'error', value: row => row.error },
]

/** What was given up: by subscription and reason, and what can be done about it. */
export function DeadLetters() {
  const search = route.useSearch()
  const navigate = useNavigate({ from: '/dead-letters' })
  const tenant = useTenant()
  const minute = useNow(60_000)
  const mayWrite = useCan('write')
  const selection = useSelection()
  const filters = [useSubscriptionFilter('to this subscription'), ...otherFilters]
  const [asking, setAsking] = useState<'replay' | 'discard'>()
  const range = { since: momentOf(search.since, minute), until: momentOf(search.until, minute) }
  const query = { ...search, ...range, tenant, state: 'failed', limit: 100 }
  const list = useList('listDeliveries', { query }, { everyMs: 10_000 })
  const isFiltered = Object.values(search).some(Boolean)
  const filter = withoutEmpty({ subscription_id: numberOr(search.subscription_id), tenant, ...range })
  return (
    <Page
      full
      title="Dead letters"
      facts={
        list.rows.length > 0 &&
        'Given up after their last attempt. What was delivered later by a replay is no longer here.'
      }
      actions={
        mayWrite &&
        list.rows.length > 0 && (
          <>
            <Button
              look="primary"
              icon={<RotateCcw className="h-3.5 w-3.5" />}
              disabled={search.error_class !== undefined}
              title={search.error_class && 'A replay cannot be narrowed to an error; take that filter away'}
              onClick={() => setAsking('replay')}
            >
              Replay {isFiltered ? 'these' : 'all'}
            </Button>
            <Button
              look="danger"
              icon={<Trash2 className="h-3.5 w-3.5" />}
              onClick={() => setAsking('discard')}
            >
              Discard {isFiltered ? 'these' : 'all'}
            </Button>
          </>
        )
      }
    >
      <FilterBar
        filters={filters}
        values={search}
        onChange={values => void navigate({ search: values, replace: true })}
      >
        <SavedViews path="/dead-letters" search={search} usual={usualViews} />
        <ExportButton id="listDeliveries" input={{ query }} name="dead-letters" columns={csvColumns} />
      </FilterBar>
      <Groups rows={list.rows} hasMore={list.hasMore} />
      <DataTable
        label="Dead letters"
        columns={columns}
        list={list}
        keyOf={keyOfDelivery}
        newestFirst
        selection={mayWrite ? selection : undefined}
        onOpen={({ webhook_id: id }) => void navigate({ to: '/events/$id', params: { id } })}
        clearFilters={isFiltered ? () => void navigate({ search: {}, replace: true }) : undefined}
        empty={
          <EmptyState title="Nothing was given up" icon={<ArchiveX />}>
            A delivery that fails until its last attempt comes here. From here it can be sent again, or
            discarded.
          </EmptyState>
        }
      />
      {mayWrite && <BulkActions rows={list.rows} selection={selection} dead />}
      {asking === 'replay' && <ReplayThese filter={filter} onClose={() => setAsking(undefined)} />}
      {asking === 'discard' && (
        <DiscardThese
          filter={withoutEmpty({ ...filter, error_class: search.error_class })}
          onClose={() => setAsking(undefined)}
        />
      )}
    </Page>
  )
}

/** What was loaded, by subscription and error: the largest groups. */
function Groups({ rows, hasMore }: { readonly rows: readonly ListedDelivery[]; readonly hasMore: boolean }) {
  const navigate = useNavigate({ from: '/dead-letters' })
  const names = useSubscriptionNames()
  const groups = Object.entries(
    Object.groupBy(rows, row => `${row.subscription_id} ${row.error_class ?? ''} ${row.http_status ?? ''}`),
  )
    .map(([key, members = []]) => ({ key, members, first: members[0] }))
    .sort((a, b) => b.members.length - a.members.length)
    .slice(0, 6)
  if (groups.length < 2) return null
  return (
    <Section title="By subscription and reason" hint={hasMore ? `of the newest ${rows.length}` : undefined}>
      <ul className="grid gap-2 sm:grid-cols-2 lg:grid-cols-3 max-sm:[&>li:nth-child(n+4)]:hidden">
        {groups.map(({ key, members, first }) =>
          first === undefined ? null : (
            <li key={key}>
              <button
                type="button"
                onClick={() =>
                  void navigate({
                    search: {
                      subscription_id: String(first.subscription_id),
                      ...(first.error_class && { error_class: first.error_class }),
                    },
                  })
                }
                className="flex w-full items-center gap-3 rounded-card border bg-surface px-3 py-2 text-left text-sm transition-colors hover:bg-hover"
              >
                <span className="min-w-9 shrink-0 text-lg font-semibold">{numberText(members.length)}</span>
                <span className="min-w-0">
                  <span className="block truncate">
                    <span className="text-ink-3">#{first.subscription_id}</span>{' '}
                    {nameOf(names.get(first.subscription_id))}
                  </span>
                  <span className="block truncate text-xs text-ink-2">{attemptWords(first)}</span>
                </span>
              </button>
            </li>
          ),
        )}
      </ul>
    </Section>
  )
}

function numberOr(text: string | undefined): number | string | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : text
}

function withoutEmpty(values: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined && value !== ''))
}
