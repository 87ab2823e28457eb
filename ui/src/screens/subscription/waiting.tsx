import { useNavigate } from '@tanstack/react-router'
import { Hourglass } from 'lucide-react'
import { useList } from '../../api/queries.ts'
import type { ListedDelivery } from '../../api/schema.ts'
import type { Column } from '../../design/column.ts'
import { useSelection } from '../../design/selection.tsx'
import { EmptyState } from '../../design/states.tsx'
import { DataTable } from '../../design/table.tsx'
import { Countdown } from '../../design/time.tsx'
import { BulkActions, keyOfDelivery } from '../../parts/bulk-deliveries.tsx'
import { attemptsColumn, eventColumn, whyColumn } from '../../parts/listed-deliveries.tsx'
import { useCan } from '../../shell/me.ts'

const columns: readonly Column<ListedDelivery>[] = [
  eventColumn,
  {
    id: 'next',
    head: 'Next attempt',
    width: '10rem',
    cell: ({ next_attempt_at: next, ordering_key: key }) =>
      next !== null ? (
        <Countdown at={next} />
      ) : (
        <span className="truncate text-ink-3">{key === null ? 'when resumed' : `in order of ${key}`}</span>
      ),
  },
  { ...whyColumn, head: 'Failed last with', from: 'sm' },
  { ...attemptsColumn, from: 'sm' },
]

/** What is owed to a subscription: when it is tried next, and what can be done about it. */
export function Waiting({ id }: { readonly id: number }) {
  const navigate = useNavigate()
  const mayWrite = useCan('write')
  const selection = useSelection()
  const query = { subscription_id: String(id), state: 'pending', limit: 100 }
  const list = useList('listDeliveries', { query }, { everyMs: 5000 })
  return (
    <>
      <DataTable
        label="Deliveries that wait"
        columns={columns}
        list={list}
        keyOf={keyOfDelivery}
        newestFirst
        selection={mayWrite ? selection : undefined}
        onOpen={({ webhook_id: event }) => void navigate({ to: '/events/$id', params: { id: event } })}
        empty={
          <EmptyState title="Nothing waits" icon={<Hourglass />}>
            What is to be tried again, or waits until the subscription is resumed, is listed here.
          </EmptyState>
        }
      />
      {mayWrite && <BulkActions rows={list.rows} selection={selection} dead={false} />}
    </>
  )
}
