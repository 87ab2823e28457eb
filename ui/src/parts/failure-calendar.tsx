import { Link } from '@tanstack/react-router'
import type { StatsBucket } from '../api/schema.ts'
import { cx } from '../design/cx.ts'
import { Card, Section } from '../design/page.tsx'
import { ErrorState, Skeleton } from '../design/states.tsx'
import { numberText } from '../design/time.tsx'
import { Tooltip } from '../design/tooltip.tsx'
import { usePreferences } from '../shell/preferences.ts'
import { percentText } from './percent.ts'

const dayMs = 86_400_000
const weekdays = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun']

/** The days that figures are asked for by: those of the clock that is chosen, where they are made of whole hours of UTC. */
export interface Days {
  /** As IANA names it. */
  readonly zone: string
  /** Which days these are, in a sentence. */
  readonly sentence: string
}

const utcDays: Days = { zone: 'UTC', sentence: 'Days begin at midnight UTC.' }

/** The days of the clock that is chosen for the page. */
export function useDays(): Days {
  const { clock } = usePreferences()
  const { timeZone: zone } = Intl.DateTimeFormat().resolvedOptions()
  if (clock === 'utc' || zone === 'UTC') return utcDays
  // Of 30 days the clock is changed at most once.
  const isWhole = [0, 31].every(days => new Date(Date.now() - days * dayMs).getTimezoneOffset() % 60 === 0)
  return isWhole
    ? { zone, sentence: `Days begin at midnight of your time (${zone}).` }
    : {
        ...utcDays,
        sentence: `Days begin at midnight UTC: figures are kept by the hour, and your time (${zone}) is not a whole number of hours ahead.`,
      }
}

/** The last 30 days as a calendar: how much failed on each, at a glance, and a click away. */
export function FailureCalendar({
  read,
  days,
  search,
}: {
  /** Those that the figures are by. */
  readonly days: Days
  /** The figures of 30 days. */
  readonly read: {
    readonly data: { readonly buckets: readonly StatsBucket[] } | undefined
    readonly error: unknown
    readonly refetch: () => unknown
  }
  /** More filters of the events that a day leads to. */
  readonly search?: Readonly<Record<string, string>>
}) {
  const { data } = read
  return (
    <Section title="Failures, day by day" hint={data && `${sentenceOf(data.buckets, days)} ${days.sentence}`}>
      <Card>
        {data === undefined ? (
          read.error != null ? (
            <ErrorState error={read.error} retry={() => void read.refetch()} />
          ) : (
            <Skeleton className="h-40" />
          )
        ) : (
          <Cells buckets={data.buckets} days={days} search={search} />
        )}
      </Card>
    </Section>
  )
}

/** The day that begins at this moment, such as 2026-01-31. */
function dayOf(start: string, { zone }: Days): string {
  return new Date(start).toLocaleDateString('sv-SE', { timeZone: zone })
}

function Cells({
  buckets,
  days,
  search,
}: {
  readonly days: Days
  readonly buckets: readonly StatsBucket[]
  readonly search: Readonly<Record<string, string>> | undefined
}) {
  const first = buckets[0]
  // Monday first.
  const before = first === undefined ? 0 : (new Date(dayOf(first.start, days)).getUTCDay() + 6) % 7
  return (
    <ol className="grid grid-cols-7 gap-1" aria-label="Attempts that failed, by day">
      {weekdays.map(name => (
        <li key={name} aria-hidden="true" className="pb-0.5 text-center text-xs text-ink-3">
          {name}
        </li>
      ))}
      {before > 0 && <li aria-hidden="true" style={{ gridColumn: `span ${before}` }} />}
      {buckets.map((bucket, index) => (
        <li key={bucket.start}>
          <Day
            bucket={bucket}
            day={dayOf(bucket.start, days)}
            end={buckets[index + 1]?.start ?? new Date(Date.parse(bucket.start) + dayMs).toISOString()}
            search={search}
          />
        </li>
      ))}
    </ol>
  )
}

function Day({
  bucket: { start, success, failed },
  day,
  end,
  search,
}: {
  readonly bucket: StatsBucket
  readonly day: string
  readonly end: string
  readonly search: Readonly<Record<string, string>> | undefined
}) {
  const all = success + failed
  const share = all === 0 ? 0 : failed / all
  const words =
    all === 0
      ? `${day}: nothing was sent`
      : `${day}: ${numberText(failed)} of ${numberText(all)} attempts failed (${percentText(1 - share)} accepted)`
  return (
    <Tooltip text={words}>
      <Link
        to="/events"
        search={{ ...search, ...(failed > 0 && { status: 'failed' }), since: start, until: end }}
        className={cx(
          'relative flex h-9 flex-col items-center justify-center rounded text-xs leading-4 transition-colors hover:outline hover:outline-accent',
          all === 0 && 'bg-sunken text-ink-3',
          all > 0 && failed === 0 && 'bg-good-soft text-ink-2',
        )}
        style={
          failed > 0
            ? {
                // Half of the colour at most, so that the text on it can be read.
                background: `color-mix(in oklab, var(--bad) ${Math.round(12 + Math.sqrt(share) * 36)}%, var(--surface))`,
              }
            : undefined
        }
      >
        <span className="only-spoken">{words}</span>
        <span aria-hidden="true" className={failed > 0 ? 'text-ink' : undefined}>
          {Number(day.slice(8))}
        </span>
        {failed > 0 && (
          <span aria-hidden="true" className="font-semibold text-ink">
            {short(failed)}
          </span>
        )}
      </Link>
    </Tooltip>
  )
}

/** Such as 12k: a cell is narrow. */
function short(count: number): string {
  if (count < 1000) return String(count)
  return count < 1_000_000 ? `${Math.floor(count / 1000)}k` : `${Math.floor(count / 1_000_000)}M`
}

function sentenceOf(buckets: readonly StatsBucket[], days: Days): string {
  const bad = buckets.filter(({ failed }) => failed > 0)
  const worst = bad.toSorted((a, b) => b.failed - a.failed)[0]
  if (worst === undefined) return `Nothing failed in the last ${buckets.length} days.`
  const most = `${numberText(worst.failed)} on ${dayOf(worst.start, days)}`
  return bad.length === 1
    ? `On one of the last ${buckets.length} days something failed: ${most}.`
    : `On ${bad.length} of the last ${buckets.length} days something failed; most of it, ${most}.`
}
