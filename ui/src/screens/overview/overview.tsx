import { getRouteApi, Link, useNavigate } from '@tanstack/react-router'
import { FlaskConical, Plus, Send } from 'lucide-react'
import type { ReactNode } from 'react'
import { useList, useRead } from '../../api/queries.ts'
import type { EventSummary, Subscription } from '../../api/schema.ts'
import { StateBadge } from '../../design/badge.tsx'
import { ButtonLink } from '../../design/button.tsx'
import { cx } from '../../design/cx.ts'
import { Card, Figure, Page, Section } from '../../design/page.tsx'
import { ErrorState, SkeletonLines } from '../../design/states.tsx'
import { numberText, Time } from '../../design/time.tsx'
import { BacklogCharts } from '../../parts/backlog-charts.tsx'
import { FailureCalendar, useDays } from '../../parts/failure-calendar.tsx'
import { StatsView, WindowPicker } from '../../parts/stats.tsx'
import { useBefore } from '../../parts/time-before.ts'
import { windowOf } from '../../parts/window.ts'
import { useCan, useTenant } from '../../shell/me.ts'
import { TroubleList } from './trouble.tsx'
import { useTroubles } from './troubles.ts'
import type { Trouble } from './worst-first.ts'

const route = getRouteApi('/')

/** Is everything being delivered? And if not, what is in trouble and why. */
export function Overview() {
  const tenant = useTenant()
  const mayWrite = useCan('write')
  const maySend = useCan('publish')
  const subscriptions = useList('listSubscriptions', { query: { limit: 250, tenant } }, { everyMs: 5000 })
  const events = useList('listEvents', { query: { tenant, limit: 12 } }, { everyMs: 3000 })
  const { window: chosen } = route.useSearch()
  const navigate = useNavigate({ from: '/' })
  const window = windowOf(chosen)
  const stats = useRead('getStats', { query: { window, tenant } }, { everyMs: 10_000, keep: true })
  const troubles = useTroubles(subscriptions, window, stats)
  const before = useBefore(window, tenant)
  const days = useDays()
  const month = useRead(
    'getStats',
    { query: { window: '30d', time_zone: days.zone, tenant } },
    { everyMs: 60_000, keep: true },
  )
  const isNew = !subscriptions.loading && subscriptions.rows.length === 0 && subscriptions.error === undefined
  const isLost =
    [subscriptions, events].every(({ error }) => error !== undefined) &&
    [stats, month].every(({ isError, data }) => isError && data === undefined)
  return (
    <Page
      title="Overview"
      facts={
        isNew ? (
          'Three steps, and the first event arrives.'
        ) : troubles.rows !== undefined && !events.loading ? (
          <InWords
            troubles={troubles.rows}
            subscriptions={subscriptions.rows}
            events={events.error === undefined ? events.rows : undefined}
          />
        ) : (
          subscriptions.error === undefined && '\u00a0'
        )
      }
      actions={
        <>
          {!isNew && (
            <WindowPicker
              value={window}
              onChange={next => void navigate({ search: { window: next }, replace: true })}
            />
          )}
          {maySend && !isNew && (
            <ButtonLink to="/send" icon={<Send className="h-3.5 w-3.5" />} className="max-sm:hidden">
              Send an event
            </ButtonLink>
          )}
          {mayWrite && !isNew && (
            <ButtonLink to="/subscriptions/new" look="primary" icon={<Plus className="h-4 w-4" />}>
              New subscription
            </ButtonLink>
          )}
        </>
      }
    >
      {isLost ? (
        // One thing is wrong, and said once.
        <ErrorState
          error={subscriptions.error}
          retry={() => {
            for (const read of [subscriptions, events]) read.again()
            for (const read of [stats, month]) void read.refetch()
          }}
        />
      ) : isNew ? (
        <FirstSteps hasEvents={events.rows.length > 0} />
      ) : (
        <>
          <StatsView
            read={stats}
            before={before}
            failedLink={figure => (
              <Link to="/dead-letters" className="-m-2 rounded-control p-2 transition-colors hover:bg-hover">
                {figure}
              </Link>
            )}
            more={
              stats.data?.in_flight != null && (
                <Figure label="In flight" value={numberText(stats.data.in_flight)} hint="requests now" />
              )
            }
          />
          <div className="grid items-start gap-x-6 narrow:grid-cols-2">
            <div>
              <Section title="In trouble" actions={<More to="/subscriptions">All subscriptions</More>}>
                <Card>
                  {troubles.rows !== undefined ? (
                    <TroubleList rows={troubles.rows} />
                  ) : subscriptions.error !== undefined ? (
                    <ErrorState error={subscriptions.error} retry={subscriptions.again} />
                  ) : troubles.error !== undefined ? (
                    <ErrorState error={troubles.error} retry={troubles.again} />
                  ) : (
                    <SkeletonLines />
                  )}
                </Card>
              </Section>
              <FailureCalendar read={month} days={days} />
            </div>
            <Section title="Last events" actions={<More to="/events">All events</More>}>
              <Card>
                {events.error !== undefined ? (
                  <ErrorState error={events.error} retry={events.again} />
                ) : events.loading ? (
                  <SkeletonLines />
                ) : (
                  <LastEvents rows={events.rows} />
                )}
              </Card>
            </Section>
          </div>
          {stats.data?.backlog && <BacklogCharts backlog={stats.data.backlog} />}
        </>
      )}
    </Page>
  )
}

function More({ to, children }: { readonly to: '/subscriptions' | '/events'; readonly children: ReactNode }) {
  return (
    <Link to={to} className="text-xs font-medium text-accent hover:underline">
      {children}
    </Link>
  )
}

function InWords({
  troubles,
  subscriptions,
  events,
}: {
  readonly troubles: readonly Trouble[]
  readonly subscriptions: readonly Subscription[]
  /** Undefined: they could not be read. */
  readonly events: readonly EventSummary[] | undefined
}) {
  const count = troubles.length
  const paused = subscriptions.filter(({ state }) => state === 'paused').length
  const first =
    count === 0
      ? events !== undefined && restInWords(events)
      : `${numberText(count)} ${count === 1 ? 'subscription is' : 'subscriptions are'} in trouble.`
  return (
    [first, paused > 0 && `${paused} ${paused === 1 ? 'is' : 'are'} paused.`].filter(Boolean).join(' ') ||
    '\u00a0'
  )
}

/** Where nobody is in trouble: what is still pending has not been delivered, and may be about to fail. */
function restInWords(events: readonly EventSummary[]): string {
  if (events.length === 0) return 'No event was sent yet.'
  // Given up before the time that is shown, or for a subscription that is gone.
  const failed = events.filter(({ status }) => status === 'failed').length
  if (failed > 0) return `${failed} of the last ${events.length} events failed for somebody.`
  const pending = events.filter(({ status }) => status === 'pending').length
  if (pending === 0) return 'Everything is being delivered.'
  return events.length === 1
    ? 'The only event is still pending.'
    : `${pending} of the last ${events.length} events ${pending === 1 ? 'is' : 'are'} still pending.`
}

function LastEvents({ rows }: { readonly rows: readonly EventSummary[] }) {
  if (rows.length === 0) return <p className="text-sm text-ink-2">None yet.</p>
  return (
    <ul className="-my-1">
      {rows.map(({ webhook_id: id, event_type: type, status, created_at: at }) => (
        <li key={id}>
          <Link
            to="/events/$id"
            params={{ id }}
            className="-mx-2 flex h-8 items-center gap-2 rounded-control px-2 text-sm hover:bg-hover"
          >
            <span className="min-w-0 grow truncate">
              {type ?? <span className="text-ink-3">no type</span>}
            </span>
            <StateBadge state={status} />
            <span className="w-20 text-right text-xs text-ink-3">
              <Time at={at} />
            </span>
          </Link>
        </li>
      ))}
    </ul>
  )
}

/** What a new installation shows: three steps, the next one lit. */
function FirstSteps({ hasEvents }: { readonly hasEvents: boolean }) {
  const maySend = useCan('publish')
  const mayWrite = useCan('write')
  return (
    <ol className="grid gap-4 narrow:grid-cols-3">
      <Step number={1} title="Say where events go" lit>
        <p>
          Any address that takes a POST. Its requests are signed, and tried again until they are accepted.
        </p>
        {mayWrite && (
          <ButtonLink to="/subscriptions/new" look="primary" icon={<Plus className="h-4 w-4" />}>
            New subscription
          </ButtonLink>
        )}
        {mayWrite && (
          <ButtonLink to="/test-receivers" icon={<FlaskConical className="h-4 w-4" />}>
            Try it with a test receiver
          </ButtonLink>
        )}
      </Step>
      <Step number={2} title="Send an event" lit={hasEvents}>
        <p>From this page, with curl or from your program. It is on disk before it is accepted.</p>
        {maySend && (
          <ButtonLink to="/send" icon={<Send className="h-3.5 w-3.5" />}>
            Send an event
          </ButtonLink>
        )}
      </Step>
      <Step number={3} title="Watch it arrive">
        <p>Every attempt with request, answer and timings; why it failed; and when it is tried next.</p>
      </Step>
    </ol>
  )
}

function Step({
  number,
  title,
  lit,
  children,
}: {
  readonly number: number
  readonly title: string
  readonly lit?: boolean
  readonly children: ReactNode
}) {
  return (
    <li>
      <Card className="h-full">
        <span
          className={cx(
            'mb-3 grid h-7 w-7 place-items-center rounded-full text-sm font-semibold',
            lit ? 'bg-accent-fill text-on-accent' : 'bg-sunken text-ink-3',
          )}
        >
          {number}
        </span>
        <h2 className="mb-1 text-base font-semibold">{title}</h2>
        <div className="space-y-3 text-sm text-ink-2">{children}</div>
      </Card>
    </li>
  )
}
