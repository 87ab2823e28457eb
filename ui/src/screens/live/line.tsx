import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import type { Attempt } from '../../api/schema.ts'
import type { StreamItem } from '../../api/stream.ts'
import { HttpStatus, StateBadge, TriggerBadge } from '../../design/badge.tsx'
import { Notice } from '../../design/states.tsx'
import { bytesText, durationText, exactTime, numberText } from '../../design/time.tsx'
import { attemptWords } from '../../parts/deliveries.tsx'
import { SubscriptionName } from '../../parts/subscription-name.tsx'
import { usePreferences } from '../../shell/preferences.ts'
import type { Line } from './tail.ts'

/** One line of what happens: when, what, and to what it leads. */
export function LineRow({ line: { at, item } }: { readonly line: Line }) {
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
      <What kind={item.event} data={item.data as Data} />
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

function What({ kind, data }: { readonly kind: string; readonly data: Data }) {
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
