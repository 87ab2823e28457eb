import { Link } from '@tanstack/react-router'
import type { ListedDelivery } from '../api/schema.ts'
import { HttpStatus, TriggerBadge } from '../design/badge.tsx'
import type { Column } from '../design/column.ts'
import { attemptWords } from './deliveries.tsx'

// Columns of lists of deliveries: of those that were given up, and of those that wait.

export const eventColumn: Column<ListedDelivery> = {
  id: 'event',
  head: 'Event',
  width: '10rem',
  cell: ({ webhook_id: id }) => (
    <Link to="/events/$id" params={{ id }} className="rounded font-mono text-xs hover:underline">
      {id.slice(0, 8)}…{id.slice(-4)}
    </Link>
  ),
}

/** What its last attempt came to. */
export const whyColumn: Column<ListedDelivery> = {
  id: 'why',
  head: 'Why',
  cell: row => (
    <span className="flex items-center gap-2">
      {row.http_status !== null && <HttpStatus status={row.http_status} />}
      <span className="truncate text-ink-2">{wordsOf(row)}</span>
      <TriggerBadge trigger={row.trigger} />
    </span>
  ),
}

export const attemptsColumn: Column<ListedDelivery> = {
  id: 'attempts',
  head: 'Attempts',
  width: '5.5rem',
  align: 'right',
  cell: ({ attempts }) => attempts,
}

/** Of an answer what the receiver said, as far as a row has room. */
function wordsOf(row: ListedDelivery): string {
  if (row.attempts === 0) return 'not tried yet'
  if (row.http_status === null) return attemptWords(row)
  return (row.error ?? '').trimStart().split('\n', 1)[0]?.slice(0, 200) ?? ''
}
