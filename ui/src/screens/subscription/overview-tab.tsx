import { getRouteApi, Link, useNavigate } from '@tanstack/react-router'
import { type ReactNode, useMemo } from 'react'
import { type List, useList, useRead } from '../../api/queries.ts'
import type { Attempt, AuditEntry, Subscription } from '../../api/schema.ts'
import { Tag } from '../../design/badge.tsx'
import { KeyValue } from '../../design/key-value.tsx'
import { Card, Figure, Section } from '../../design/page.tsx'
import type { Mark } from '../../design/series.ts'
import { ErrorState, SkeletonLines } from '../../design/states.tsx'
import { durationText, Time } from '../../design/time.tsx'
import { Timeline } from '../../design/timeline.tsx'
import { attemptMoments } from '../../parts/deliveries.tsx'
import { FailureCalendar, useDays } from '../../parts/failure-calendar.tsx'
import { RefusalList } from '../../parts/refusals.tsx'
import { RetryLine } from '../../parts/retry-preview.tsx'
import { StatsView, WindowPicker } from '../../parts/stats.tsx'
import { authNames, formatNames, isCloudEvents } from '../../parts/subscription-extras.ts'
import { windowOf } from '../../parts/window.ts'
import { HeldKeys } from './held-keys.tsx'

const route = getRouteApi('/subscriptions/$id')

/** How it is: the last attempts, and its rules at a glance. */
export function OverviewTab({ subscription }: { readonly subscription: Subscription }) {
  const { id } = subscription
  const logs = useList('listLogs', { path: { subscription_id: id }, query: { limit: 15 } }, { everyMs: 3000 })
  const failing = logs.rows.filter(({ status }) => status === 'failed').length
  const { window: chosen } = route.useSearch()
  const navigate = useNavigate({ from: '/subscriptions/$id' })
  const window = windowOf(chosen)
  const stats = useRead(
    'getSubscriptionStats',
    { path: { id }, query: { window } },
    { everyMs: 10_000, keep: true },
  )
  const marks = useChanges(id, stats.data?.buckets[0]?.start)
  const days = useDays()
  const month = useRead(
    'getSubscriptionStats',
    { path: { id }, query: { window: '30d', time_zone: days.zone } },
    { everyMs: 60_000, keep: true },
  )
  return (
    <>
      <div className="mb-3 flex justify-end">
        <WindowPicker
          value={window}
          onChange={next => void navigate({ search: { window: next }, replace: true, resetScroll: false })}
        />
      </div>
      <StatsView
        read={stats}
        search={{ subscription_id: String(id) }}
        marks={marks}
        failedLink={figure => (
          <Link
            to="/dead-letters"
            search={{ subscription_id: String(id) }}
            className="-m-2 rounded-control p-2 transition-colors hover:bg-hover"
          >
            {figure}
          </Link>
        )}
        more={
          <Figure
            label="Last accepted"
            value={
              <span className="text-xl">
                {stats.data?.totals.last_success_at ? (
                  <Time at={stats.data.totals.last_success_at} />
                ) : (
                  'none'
                )}
              </span>
            }
            hint={`in ${window}`}
          />
        }
      />
      {subscription.ordering_key !== null && <HeldKeys subscription={subscription} />}
      <Recent
        subscription={subscription}
        logs={logs}
        failing={failing}
        calendar={<FailureCalendar read={month} days={days} search={{ subscription_id: String(id) }} />}
      />
      {subscription.inbound !== null && <InboundRefusals id={id} />}
    </>
  )
}

/** What came to it as from its provider, and was not. */
function InboundRefusals({ id }: { readonly id: number }) {
  const list = useList('listInboundRefusals', { path: { id }, query: { limit: 20 } }, { everyMs: 3000 })
  return <RefusalList list={list} />
}

/** What was changed of it in the time that is shown, by the audit log. */
function useChanges(id: number, since: string | undefined): readonly Mark[] {
  const { data } = useRead(
    'listAudit',
    { query: { subject: `subscription:${id}`, since, limit: 50 } },
    { enabled: since !== undefined, keep: true },
  )
  return useMemo(() => (data ?? []).map(markOf), [data])
}

function markOf({ at, action, actor, changes }: AuditEntry): Mark {
  const what = action.replace('subscription.', '').replaceAll('_', ' ')
  const fields = changes.map(({ field }) => field).filter(field => field !== 'paused')
  const named = what === 'updated' && fields.length > 0 ? `: ${fields.slice(0, 4).join(', ')}` : ''
  return { at: Date.parse(at) / 1000, label: `${what}${named} by ${actor.name}` }
}

function Recent({
  subscription,
  logs,
  failing,
  calendar,
}: {
  readonly subscription: Subscription
  readonly logs: List<Attempt>
  readonly failing: number
  readonly calendar: ReactNode
}) {
  const { id } = subscription
  return (
    <div className="grid gap-6 narrow:grid-cols-[minmax(0,3fr)_minmax(0,2fr)]">
      <Section
        title="Last attempts"
        hint={
          logs.rows.length > 0
            ? failing === 0
              ? 'all of them were accepted'
              : `${failing} of the last ${logs.rows.length} failed`
            : undefined
        }
        actions={
          <Link
            to="/subscriptions/$id"
            params={{ id: String(id) }}
            search={{ tab: 'deliveries' }}
            className="text-xs font-medium text-accent hover:underline"
          >
            All of them
          </Link>
        }
      >
        <Card>
          {logs.error !== undefined ? (
            <ErrorState error={logs.error} retry={logs.again} />
          ) : logs.loading ? (
            <SkeletonLines lines={5} />
          ) : logs.rows.length === 0 ? (
            <p className="text-sm text-ink-2">
              Nothing was sent here yet.{' '}
              <Link to="/send" search={{ to: String(id) }} className="text-accent underline">
                Send it an event
              </Link>
              .
            </p>
          ) : (
            <Timeline label="Last attempts" moments={attemptMoments(logs.rows, 'newest first')} />
          )}
        </Card>
      </Section>
      <div>
        <Section title="Rules">
          <Card>
            <Rules subscription={subscription} />
          </Card>
        </Section>
        <Section title="Trying again">
          <Card>
            <RetryLine
              value={{ ...subscription.retry, schedule_seconds: subscription.retry.schedule_seconds ?? [] }}
            />
          </Card>
        </Section>
        {calendar}
      </div>
    </div>
  )
}

function Rules({ subscription }: { readonly subscription: Subscription }) {
  const {
    event_types: types,
    channels,
    filter,
    max_in_flight: most,
    in_flight_now: now,
    rate_limit: rate,
  } = subscription
  const tags = (names: readonly string[]) => (
    <span className="flex flex-wrap gap-1">
      {names.map(name => (
        <Tag key={name}>{name}</Tag>
      ))}
    </span>
  )
  return (
    <KeyValue
      facts={[
        ['Event types', types && types.length > 0 ? tags(types) : 'all'],
        channels && channels.length > 0 && ['Channels', tags(channels)],
        filter !== null && [
          'Filter',
          <code key="f" className="font-mono text-xs break-all">
            {JSON.stringify(filter)}
          </code>,
        ],
        [
          'At a time',
          most !== null ? `${most} requests` : `adaptive${now?.limit ? `, ${now.limit} now` : ''}`,
        ],
        rate?.requests ? ['Rate limit', `${rate.requests} in ${rate.per_seconds} s`] : null,
        ['Order', <OrderWords key="o" subscription={subscription} />],
        ['Time limit', durationText(subscription.timeout_ms)],
        ['Signed with', [subscription.signing.scheme].flat().join(', ')],
        ...rareRules(subscription, tags),
        ['Made', <Time key="m" at={subscription.created_at} />],
        ['Changed', <Time key="c" at={subscription.updated_at} />],
      ]}
    />
  )
}

function OrderWords({ subscription }: { readonly subscription: Subscription }) {
  const { ordered, ordering_key: key } = subscription
  if (key !== null)
    return (
      <>
        one after the other of each <Tag>{key}</Tag>
      </>
    )
  return ordered ? 'one after the other' : 'none'
}

type Fact = readonly [name: ReactNode, value: ReactNode] | null

/** What few subscriptions have set. */
function rareRules(
  subscription: Subscription,
  tags: (names: readonly string[]) => ReactNode,
): readonly Fact[] {
  const { format, cloudevents, auth, header_templates: templates, inbound, verification } = subscription
  const { source, type, subject } = cloudevents ?? {}
  const { certificate_expires_at: endsAt } = auth
  const attributes = Object.entries({ source, type, subject, ...cloudevents?.extensions })
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}: ${value}`)
  return [
    format === 'raw' ? null : ['Sent as', formatNames[format]],
    isCloudEvents(format) && attributes.length > 0 ? ['Attributes', tags(attributes)] : null,
    auth.type === 'none' ? null : ['Credentials', authNames[auth.type]],
    endsAt === undefined ? null : ['Certificate ends', <CertificateEnd key="e" at={endsAt} />],
    auth.ca === undefined ? null : ['Authorities', 'its own only'],
    Object.keys(templates).length === 0 ? null : ['Headers made', tags(Object.keys(templates))],
    inbound === null ? null : ['Takes from', <Tag key="i">{inbound.preset}</Tag>],
    verification?.state === 'verified' && verification.verified_at
      ? [
          'Receiver said yes',
          <span key="v">
            <Time at={verification.verified_at} />
            {verification.allowed_per_minute && `, to ${verification.allowed_per_minute} a minute`}
          </span>,
        ]
      : null,
  ]
}

const warnedBeforeMs = 14 * 86_400_000

/** When a client certificate ends; the service warns two weeks before, and so does this. */
function CertificateEnd({ at }: { readonly at: string }) {
  const left = Date.parse(at) - Date.now()
  return (
    <span className={left < 0 ? 'text-bad' : left < warnedBeforeMs ? 'text-warn' : undefined}>
      <Time at={at} exact />
    </span>
  )
}
