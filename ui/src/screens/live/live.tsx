import { getRouteApi, useNavigate } from '@tanstack/react-router'
import { ArrowUp, Pause, Play, Radio, Send, Trash2 } from 'lucide-react'
import { useEffect, useState } from 'react'
import type { StreamState } from '../../api/stream.ts'
import { Dot } from '../../design/badge.tsx'
import { Button, ButtonLink } from '../../design/button.tsx'
import { type Filter, FilterBar } from '../../design/filter-bar.tsx'
import { Page } from '../../design/page.tsx'
import { EmptyState, ErrorState, SkeletonLines } from '../../design/states.tsx'
import { numberText } from '../../design/time.tsx'
import { useSubscriptionFilter } from '../../parts/subscription-name.tsx'
import { useKeys } from '../../shell/keys.ts'
import { useCan, useTenant } from '../../shell/me.ts'
import { LineRow } from './line.tsx'
import { useTail } from './tail.ts'

const route = getRouteApi('/live')

const otherFilters: readonly Filter[] = [
  {
    key: 'kind',
    name: 'kind',
    hint: 'what is told',
    options: ['accepted', 'attempt', 'subscription', 'received'],
  },
  { key: 'status', name: 'status', hint: 'attempts only', options: ['success', 'failed'], only: true },
  { key: 'event_type', name: 'type', hint: 'order.paid, order.*' },
]

/** What happens, as it happens. It stands still while somebody reads: when it was scrolled, or paused. */
export function Live() {
  const search = route.useSearch()
  const navigate = useNavigate({ from: '/live' })
  const tenant = useTenant()
  const filters = [...otherFilters, useSubscriptionFilter('of this subscription')]
  const [paused, setPaused] = useState(false)
  const [scrolled, setScrolled] = useState(false)
  const tail = useTail({ ...search, tenant }, paused || scrolled)
  useKeys({ p: () => setPaused(before => !before) })
  useEffect(() => {
    const onScroll = () => setScrolled(scrollY > 80)
    addEventListener('scroll', onScroll, { passive: true })
    return () => removeEventListener('scroll', onScroll)
  }, [])
  return (
    <Page
      full
      title="Live"
      badge={<Connection state={tail.state} />}
      facts={`${numberText(tail.perSecond)} a second · ${numberText(tail.told)} since this page was opened${tail.dropped > 0 ? ` · ${numberText(tail.dropped)} left out` : ''}`}
      actions={
        <>
          <Button
            aria-pressed={paused}
            icon={paused ? <Play className="h-3.5 w-3.5" /> : <Pause className="h-3.5 w-3.5" />}
            onClick={() => setPaused(!paused)}
          >
            {paused ? 'Go on' : 'Pause'}
          </Button>
          <Button icon={<Trash2 className="h-3.5 w-3.5" />} onClick={tail.clear}>
            Clear
          </Button>
        </>
      }
    >
      <FilterBar
        filters={filters}
        values={search}
        onChange={values => void navigate({ search: values, replace: true })}
      />
      {tail.problem !== undefined && <ErrorState error={tail.problem} retry={tail.again} />}
      {tail.waiting > 0 && (
        <div className="sticky top-14 z-10 flex justify-center">
          <Button
            look="primary"
            size="sm"
            className="rounded-full shadow-float"
            icon={<ArrowUp className="h-3.5 w-3.5" />}
            onClick={() => {
              setPaused(false)
              scrollTo({ top: 0 })
              setScrolled(false)
            }}
          >
            {numberText(tail.waiting)} new
          </Button>
        </div>
      )}
      <span aria-live="polite" className="only-spoken">
        {tail.waiting > 0 ? `${tail.waiting} new lines` : ''}
      </span>
      {tail.lines.length === 0 ? (
        tail.problem === undefined && <NothingYet isOpen={tail.state === 'open'} />
      ) : (
        <ol aria-label="What happened, newest first" className="border-t">
          {tail.lines.map(line => (
            <LineRow key={line.key} line={line} />
          ))}
        </ol>
      )}
    </Page>
  )
}

function NothingYet({ isOpen }: { readonly isOpen: boolean }) {
  const maySend = useCan('publish')
  if (!isOpen) return <SkeletonLines />
  return (
    <EmptyState
      title="Nothing has happened yet"
      icon={<Radio />}
      action={
        maySend && (
          <ButtonLink to="/send" icon={<Send className="h-3.5 w-3.5" />}>
            Send an event
          </ButtonLink>
        )
      }
    >
      Accepted events, attempts and changes of subscriptions appear here within half a second.
    </EmptyState>
  )
}

const connections = {
  open: { tone: 'good', word: 'connected' },
  waiting: { tone: 'warn', word: 'connecting' },
  refused: { tone: 'bad', word: 'not connected' },
} as const

function Connection({ state }: { readonly state: StreamState }) {
  const { tone, word } = connections[state]
  return (
    <span className="flex items-center gap-1.5 text-xs text-ink-2">
      <Dot tone={tone} /> {word}
    </span>
  )
}
