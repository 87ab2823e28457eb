import { getRouteApi, Link, useNavigate } from '@tanstack/react-router'
import { ArrowUp, Pause, Play, Radio, Send, Trash2 } from 'lucide-react'
import { type ReactNode, useEffect, useRef, useState } from 'react'
import { useEnded } from '../../api/ended.ts'
import type { Attempt } from '../../api/schema.ts'
import { listen, type StreamItem, type StreamState } from '../../api/stream.ts'
import { Dot, HttpStatus, StateBadge, TriggerBadge } from '../../design/badge.tsx'
import { Button, ButtonLink } from '../../design/button.tsx'
import { type Filter, FilterBar } from '../../design/filter-bar.tsx'
import { Page } from '../../design/page.tsx'
import { EmptyState, ErrorState, Notice, SkeletonLines } from '../../design/states.tsx'
import { bytesText, durationText, exactTime, numberText } from '../../design/time.tsx'
import { attemptWords } from '../../parts/deliveries.tsx'
import { SubscriptionName, useSubscriptionFilter } from '../../parts/subscription-name.tsx'
import { useKeys } from '../../shell/keys.ts'
import { useCan, useTenant } from '../../shell/me.ts'
import { usePreferences } from '../../shell/preferences.ts'

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

/** Older lines are forgotten. */
const linesMax = 1000
const drawEveryMs = 200

interface Line {
  readonly key: string
  readonly at: number
  readonly item: StreamItem
}

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

/** The lines so far. While it stands still, new ones are counted and kept aside. */
function useTail(query: Readonly<Record<string, string | undefined>>, still: boolean) {
  const [lines, setLines] = useState<readonly Line[]>([])
  const [counts, setCounts] = useState({ told: 0, dropped: 0, waiting: 0, perSecond: 0 })
  const [state, setState] = useState<StreamState>('waiting')
  const [tries, setTries] = useState(0)
  const [problem, setProblem] = useState<unknown>()
  const fresh = useRef<Line[]>([])
  const totals = useRef({ told: 0, dropped: 0, recent: [] as number[], serial: 0 })
  const isStill = useRef(still)
  isStill.current = still
  const ended = useEnded()
  const text = JSON.stringify(query)
  // biome-ignore lint/correctness/useExhaustiveDependencies: each try is another connection
  useEffect(() => {
    if (ended) return
    const end = new AbortController()
    setState('waiting')
    setProblem(undefined)
    void listen(JSON.parse(text), end.signal, {
      onItem: item => {
        const sums = totals.current
        if (item.event === 'gap') sums.dropped += Number(item.data.dropped ?? 0)
        else sums.told++
        sums.recent.push(Date.now())
        fresh.current.push({ key: `${item.id} ${sums.serial++}`, at: Date.now(), item })
        if (fresh.current.length > linesMax) fresh.current.shift()
      },
      onState: (now, reason) => {
        setState(now)
        setProblem(reason)
      },
    })
    return () => end.abort()
  }, [text, tries, ended])
  useEffect(() => {
    const draw = () => {
      const sums = totals.current
      const now = Date.now()
      sums.recent = sums.recent.filter(at => now - at < 5000)
      setCounts({
        told: sums.told,
        dropped: sums.dropped,
        waiting: isStill.current ? fresh.current.length : 0,
        perSecond: Math.round(sums.recent.length / 5),
      })
      if (isStill.current || fresh.current.length === 0) return
      const taken = fresh.current.reverse()
      fresh.current = []
      setLines(before => [...taken, ...before].slice(0, linesMax))
    }
    const timer = setInterval(draw, drawEveryMs)
    return () => clearInterval(timer)
  }, [])
  const again = () => setTries(count => count + 1)
  return { lines, ...counts, state, problem, again, clear: () => setLines([]) }
}

function LineRow({ line: { at, item } }: { readonly line: Line }) {
  const { clock } = usePreferences()
  if (item.event === 'gap') {
    return (
      <li className="py-1">
        <Notice kind="warn">
          {item.data.dropped == null ? 'Some' : numberText(Number(item.data.dropped))} left out here.{' '}
          {String(item.data.reason ?? '')}
        </Notice>
      </li>
    )
  }
  const time = exactTime(timeOf(item) ?? at, clock).slice(11, 23)
  return (
    <li className="grid h-8 grid-cols-[6.25rem_7.5rem_minmax(0,1fr)] items-center gap-3 border-b px-2 text-sm [contain-intrinsic-size:auto_32px] [content-visibility:auto] hover:bg-hover">
      <time className="font-mono text-xs text-ink-3">{time}</time>
      <Line kind={item.event} data={item.data as Data} />
    </li>
  )
}

interface Data {
  readonly [name: string]: never
}

function timeOf({ data }: StreamItem): number | undefined {
  const ms = Date.parse(String(data.timestamp ?? data.accepted_at ?? data.at ?? ''))
  return Number.isNaN(ms) ? undefined : ms
}

function Line({ kind, data }: { readonly kind: string; readonly data: Data }) {
  const text = (name: string) => (data[name] == null ? undefined : String(data[name]))
  const event = (id: string | undefined, label: ReactNode) =>
    id === undefined ? (
      label
    ) : (
      <Link to="/events/$id" params={{ id }} className="truncate rounded font-medium hover:underline">
        {label}
      </Link>
    )
  if (kind === 'accepted') {
    const count = Number(data.deliveries ?? 0)
    return (
      <>
        <span>
          <StateBadge state="accepted" word="accepted" />
        </span>
        <span className="flex min-w-0 items-center gap-3">
          {event(text('webhook_id'), text('event_type') ?? 'no type')}
          <span className="truncate text-xs text-ink-2">
            {count === 0
              ? 'no subscription wanted it'
              : `to ${count} ${count === 1 ? 'subscription' : 'subscriptions'}`}{' '}
            · {bytesText(Number(data.size_bytes ?? 0))}
          </span>
        </span>
      </>
    )
  }
  if (kind === 'attempt') {
    const status = data.http_status == null ? null : Number(data.http_status)
    return (
      <>
        <span>
          <StateBadge state={text('status') === 'success' ? 'success' : (text('verdict') ?? 'failed')} />
        </span>
        <span className="flex min-w-0 items-center gap-3">
          <Link
            to="/attempts/$id"
            params={{ id: text('id') ?? '' }}
            className="shrink-0 rounded font-medium hover:underline"
          >
            {text('event_type') ?? 'event'}
          </Link>
          <span className="min-w-0 truncate text-ink-2">
            <SubscriptionName id={Number(data.subscription_id)} />
          </span>
          {status !== null && <HttpStatus status={status} />}
          <TriggerBadge trigger={text('trigger') ?? null} />
          <span className="hidden shrink-0 text-xs text-ink-3 sm:inline">
            {Number(data.attempt) > 1 && `attempt ${data.attempt} · `}
            {durationText(data.duration_ms == null ? null : Number(data.duration_ms))}
            {status === null &&
              text('status') === 'failed' &&
              ` · ${attemptWords(data as unknown as Attempt)}`}
          </span>
        </span>
      </>
    )
  }
  if (kind === 'subscription') {
    return (
      <>
        <span>
          <StateBadge state={text('state') ?? 'active'} />
        </span>
        <span className="flex min-w-0 items-center gap-3">
          <SubscriptionName id={Number(data.subscription_id ?? data.id)} />
          <span className="truncate text-xs text-ink-2">{text('reason')}</span>
        </span>
      </>
    )
  }
  return (
    <>
      <span>
        <StateBadge state={kind} />
      </span>
      <span className="truncate font-mono text-xs text-ink-2">{JSON.stringify(data)}</span>
    </>
  )
}
