import { getRouteApi, useNavigate } from '@tanstack/react-router'
import { Plus, RotateCcw } from 'lucide-react'
import { useState } from 'react'
import { useChange, useList } from '../../api/queries.ts'
import type { Replay } from '../../api/schema.ts'
import { StateBadge, Tag } from '../../design/badge.tsx'
import { Button } from '../../design/button.tsx'
import type { Column } from '../../design/column.ts'
import { ConfirmDialog } from '../../design/dialog.tsx'
import { Page } from '../../design/page.tsx'
import { EmptyState } from '../../design/states.tsx'
import { DataTable } from '../../design/table.tsx'
import { numberText, Time } from '../../design/time.tsx'
import { SubscriptionName } from '../../parts/subscription-name.tsx'
import { useCan, useTenant } from '../../shell/me.ts'
import { NewReplay } from './new-replay.tsx'

const route = getRouteApi('/replays')

/** Attempts again, of many: how far each is, and how it is stopped. */
export function Replays() {
  const search = route.useSearch()
  const navigate = useNavigate({ from: '/replays' })
  const tenant = useTenant()
  const mayWrite = useCan('write')
  const list = useList('listReplays', { query: { tenant, limit: 50 } }, { everyMs: 2000 })
  const [stopping, setStopping] = useState<Replay>()
  const cancel = useChange('cancelReplay', { affects: ['listReplays'], quiet: true })
  const columns: readonly Column<Replay>[] = [
    {
      id: 'what',
      head: 'What',
      cell: ({ filter }) => <FilterWords filter={filter} />,
    },
    {
      id: 'state',
      head: 'State',
      width: '7rem',
      from: 'sm',
      cell: ({ state }) => <StateBadge state={state} />,
    },
    {
      id: 'progress',
      head: 'Progress',
      width: 'max(34%, 9rem)',
      cell: replay => <Progress replay={replay} />,
    },
    {
      id: 'at',
      head: 'Begun',
      width: '6.5rem',
      align: 'right',
      from: 'sm',
      cell: ({ created_at: at }) => (
        <span className="text-ink-2">
          <Time at={at} />
        </span>
      ),
    },
    {
      id: 'do',
      head: <span className="only-spoken">Actions</span>,
      width: '5.5rem',
      align: 'right',
      cell: replay =>
        mayWrite &&
        (replay.state === 'running' || replay.state === 'counting') && (
          <Button size="sm" onClick={() => setStopping(replay)}>
            Cancel
          </Button>
        ),
    },
  ]
  const make = mayWrite && (
    <Button
      look="primary"
      icon={<Plus className="h-4 w-4" />}
      onClick={() => void navigate({ search: { ...search, make: 'yes' } })}
    >
      New replay
    </Button>
  )
  return (
    <Page full title="Replays" actions={list.rows.length > 0 && make}>
      <DataTable
        label="Replays"
        columns={columns}
        list={list}
        keyOf={({ id }) => id}
        empty={
          <EmptyState title="No replays yet" icon={<RotateCcw />} action={make}>
            A replay sends again what failed, or all that was sent in a time: after fresh events, as fast as
            you say, with the count first.
          </EmptyState>
        }
      />
      {search.make !== undefined && mayWrite && (
        <NewReplay first={search} onClose={() => void navigate({ search: {}, replace: true })} />
      )}
      {stopping && (
        <ConfirmDialog
          open
          onClose={() => setStopping(undefined)}
          title="Cancel this replay"
          verb="Cancel the replay"
          description={`What is queued already (${numberText(stopping.queued)}) may still be sent; the rest is not.`}
          act={() => cancel.mutateAsync({ path: { id: stopping.id } })}
        />
      )}
    </Page>
  )
}

function FilterWords({ filter }: { readonly filter: Replay['filter'] }) {
  const { subscription_id: subscription, event_type: type, state, since, until, ...others } = filter
  const words = [
    state === 'success' ? 'delivered' : state !== 'any' && state,
    type,
    ...Object.values(others),
  ].filter(Boolean)
  return (
    <span className="flex flex-wrap items-center gap-1.5 py-1.5">
      {subscription !== undefined && (
        <span className="max-w-full min-w-0 truncate">
          <SubscriptionName id={subscription} />
        </span>
      )}
      {subscription === undefined && words.length === 0 && 'all events'}
      {words.map(word => (
        <Tag key={String(word)}>{String(word)}</Tag>
      ))}
      <span className="hidden max-w-full truncate text-xs text-ink-3 md:inline">
        {since && (
          <>
            since <Time at={since} />{' '}
          </>
        )}
        {until && (
          <>
            until <Time at={until} />
          </>
        )}
      </span>
    </span>
  )
}

function Progress({
  replay: { total, delivered, failed, skipped, queued, state },
}: {
  readonly replay: Replay
}) {
  if (total === null) return <span className="text-ink-3">counting</span>
  const part = (count: number) => `${total === 0 ? 0 : (count / total) * 100}%`
  const waiting = Math.max(0, queued - delivered - failed)
  return (
    <span className="flex flex-col gap-x-3 gap-y-1 sm:flex-row sm:items-center">
      <span
        role="progressbar"
        aria-label="Progress"
        aria-valuemin={0}
        aria-valuemax={total}
        aria-valuenow={delivered + failed + skipped}
        className="flex h-1.5 min-w-16 overflow-hidden rounded-full bg-line sm:grow"
      >
        <span className="bg-good" style={{ width: part(delivered) }} />
        <span className="bg-bad" style={{ width: part(failed) }} />
        <span className="bg-control" style={{ width: part(skipped) }} />
        <span className="bg-busy opacity-50" style={{ width: part(waiting) }} />
      </span>
      <span className="shrink-0 text-xs text-ink-2">
        {numberText(delivered)} of {numberText(total)}
        {failed > 0 && <span className="text-bad max-sm:hidden"> · {numberText(failed)} failed</span>}
        {state === 'running' && waiting > 0 && (
          <span className="text-ink-3"> · {numberText(waiting)} waiting</span>
        )}
      </span>
    </span>
  )
}
