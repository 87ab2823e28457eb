import { getRouteApi, Link, useNavigate } from '@tanstack/react-router'
import { Inbox, Plus } from 'lucide-react'
import { useList, useRead } from '../../api/queries.ts'
import type { Source } from '../../api/schema.ts'
import { Badge, StateBadge, Tag } from '../../design/badge.tsx'
import { Button } from '../../design/button.tsx'
import type { Column } from '../../design/column.ts'
import { Page } from '../../design/page.tsx'
import { EmptyState } from '../../design/states.tsx'
import { DataTable } from '../../design/table.tsx'
import { numberText, Time } from '../../design/time.tsx'
import { useCan, useTenant } from '../../shell/me.ts'
import { SourceForm } from './source-form.tsx'
import { SourcePanel } from './source-panel.tsx'

const route = getRouteApi('/sources')

const columns = (nameOf: (preset: string) => string): readonly Column<Source>[] => [
  {
    id: 'name',
    head: 'Source',
    cell: ({ id, name }) => (
      <Link
        to="/sources"
        search={{ id: String(id) }}
        resetScroll={false}
        className="truncate rounded font-medium"
      >
        {name}
      </Link>
    ),
  },
  {
    id: 'preset',
    head: 'Provider',
    width: '10rem',
    from: 'sm',
    cell: ({ preset }) => <Tag>{nameOf(preset)}</Tag>,
  },
  { id: 'state', head: 'State', width: '8.5rem', cell: source => <SourceState source={source} /> },
  {
    id: 'accepted',
    head: 'Accepted',
    width: '6rem',
    align: 'right',
    from: 'md',
    cell: ({ received }) => numberText(received.accepted),
  },
  {
    id: 'refused',
    head: 'Refused',
    width: '6rem',
    align: 'right',
    from: 'md',
    cell: ({ received: { refused } }) => (
      <span className={refused > 0 ? 'text-bad' : 'text-ink-3'}>{numberText(refused)}</span>
    ),
  },
  {
    id: 'last',
    head: 'Last accepted',
    width: '7.5rem',
    align: 'right',
    from: 'sm',
    cell: ({ received }) => (
      <span className="text-ink-2">
        <Time at={received.last_accepted_at} />
      </span>
    ),
  },
]

/** Whether what a provider sends gets in. */
export function SourceState({ source: { enabled, received } }: { readonly source: Source }) {
  if (!enabled) return <StateBadge state="disabled" />
  if (received.refused_in_a_row > 0) return <Badge tone="bad">✕ refusing</Badge>
  if (received.accepted === 0) return <Badge tone="plain">nothing yet</Badge>
  return <StateBadge state="ok" word="accepting" />
}

/** Addresses that providers send to: what gets in, what is refused, and why. */
export function Sources() {
  const search = route.useSearch()
  const navigate = useNavigate({ from: '/sources' })
  const tenant = useTenant()
  const mayWrite = useCan('write')
  const list = useList('listSources', { query: { tenant, limit: 50 } }, { everyMs: 3000 })
  const presets = useRead('listSourcePresets')
  const known = new Map((presets.data ?? []).map(preset => [preset.id, preset]))
  const open = list.rows.find(({ id }) => String(id) === search.id)
  const refusing = list.rows.filter(({ received }) => received.refused_in_a_row > 0).length
  const show = (id: number) => void navigate({ search: { id: String(id) }, resetScroll: false })
  const make = mayWrite && (
    <Button
      look="primary"
      icon={<Plus className="h-4 w-4" />}
      onClick={() => void navigate({ search: { make: 'yes' } })}
    >
      New source
    </Button>
  )
  return (
    <>
      <Page
        full
        title="Sources"
        actions={list.rows.length > 0 && make}
        facts={
          list.rows.length > 0 &&
          (refusing === 0
            ? 'What providers send gets in.'
            : `${refusing} of ${list.rows.length} refuse what comes.`)
        }
      >
        <DataTable
          label="Sources"
          columns={columns(id => known.get(id)?.name ?? id)}
          list={list}
          keyOf={({ id }) => String(id)}
          openKey={search.id}
          onOpen={({ id }) => show(id)}
          empty={
            <EmptyState title="No sources yet" icon={<Inbox />} action={make}>
              A source is an address to paste at a provider, such as GitHub or Stripe. What comes there is
              verified as that provider signs, and goes to your subscriptions like any other event.
            </EmptyState>
          }
        />
      </Page>
      {open && (
        <SourcePanel
          key={open.id}
          source={open}
          preset={known.get(open.preset)}
          onClose={() => void navigate({ search: {}, resetScroll: false })}
        />
      )}
      {search.make !== undefined && mayWrite && (
        <SourceForm
          presets={presets.data ?? []}
          onClose={() => void navigate({ search: {}, replace: true })}
          onMade={({ id }) => show(id)}
        />
      )}
    </>
  )
}
