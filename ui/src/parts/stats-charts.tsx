import { useMemo, useState } from 'react'
import type { StatsBucket, StatsTotals } from '../api/schema.ts'
import { Button, ButtonLink } from '../design/button.tsx'
import { Card, Section } from '../design/page.tsx'
import type { Mark, Series } from '../design/series.ts'
import { durationText, exactTime, numberText } from '../design/time.tsx'
import { TimeSeries } from '../design/time-series.tsx'
import { usePreferences } from '../shell/preferences.ts'
import { percentText } from './percent.ts'

const network = ['dns', 'connect', 'tls', 'proxy']
const count = (value: number) => numberText(Math.round(value))

interface Range {
  /** Unix seconds. */
  readonly since: number
  readonly until: number
}

/** What was attempted and how long it took, over time. A range that is drawn with the pointer is looked at alone. */
export function StatsCharts({
  buckets: all,
  totals,
  search,
  marks,
}: {
  readonly buckets: readonly StatsBucket[]
  readonly totals: StatsTotals
  readonly marks: readonly Mark[]
  /** More filters of the events that a range leads to. */
  readonly search?: Readonly<Record<string, string>> | undefined
}) {
  const [range, setRange] = useState<Range>()
  const buckets = useMemo(() => within(all, range), [all, range])
  const { times, outcomes, latencies } = useMemo(() => {
    const of = (bucket: StatsBucket, classes: readonly string[]) =>
      classes.reduce((sum, name) => sum + (bucket.by_class[name] ?? 0), 0)
    const other = (bucket: StatsBucket) => bucket.failed - of(bucket, ['http', 'timeout', ...network])
    const all: readonly Series[] = [
      // Quiet, so that what failed is seen first.
      { name: 'accepted', colour: '--good-area', values: buckets.map(bucket => bucket.success) },
      { name: 'refused by status', colour: '--bad', values: buckets.map(bucket => of(bucket, ['http'])) },
      { name: 'timed out', colour: '--warn', values: buckets.map(bucket => of(bucket, ['timeout'])) },
      { name: 'not reached', colour: '--busy', values: buckets.map(bucket => of(bucket, network)) },
      { name: 'other', colour: '--idle', values: buckets.map(other) },
    ]
    return {
      times: buckets.map(({ start }) => Date.parse(start) / 1000),
      outcomes: all.filter(
        ({ name, values }) => name === 'accepted' || values.some(value => (value ?? 0) > 0),
      ),
      latencies: [
        { name: 'p50', colour: '--good', values: buckets.map(bucket => bucket.p50_ms) },
        { name: 'p95', colour: '--accent', values: buckets.map(bucket => bucket.p95_ms) },
        { name: 'p99', colour: '--warn', values: buckets.map(bucket => bucket.p99_ms) },
      ] satisfies readonly Series[],
    }
  }, [buckets])
  const zoom = (since: number, until: number) => setRange({ since, until })
  const whole = () => setRange(undefined)
  return (
    <Section>
      {range !== undefined && (
        <RangeBar buckets={buckets} range={range} search={search} end={() => setRange(undefined)} />
      )}
      <div className="grid gap-4 narrow:grid-cols-2">
        <Card>
          <TimeSeries
            title="Attempts"
            kind="bars"
            times={times}
            series={outcomes}
            format={count}
            sentence={failureSentence(range === undefined ? totals : sumsOf(buckets))}
            marks={marks}
            onRange={zoom}
            onWhole={whole}
          />
        </Card>
        <Card>
          <TimeSeries
            title="How long they took"
            kind="lines"
            times={times}
            series={latencies}
            format={durationText}
            sentence={
              totals.p95_ms === null
                ? 'No attempt was made.'
                : `95 of a hundred took at most ${durationText(totals.p95_ms)}.`
            }
            marks={marks}
            onRange={zoom}
            onWhole={whole}
          />
        </Card>
      </div>
      <Marks marks={marks} />
    </Section>
  )
}

/** The same in words, for who cannot see or hover over a dashed line. */
function Marks({ marks }: { readonly marks: readonly Mark[] }) {
  const { clock } = usePreferences()
  if (marks.length === 0) return null
  return (
    <details className="mt-2 text-xs text-ink-2">
      <summary className="w-fit rounded">
        {marks.length === 1 ? '1 change' : `${marks.length} changes`} in this time, dashed in the charts
      </summary>
      <ul className="mt-1 space-y-0.5">
        {marks.map(({ at, label }) => (
          <li key={`${at} ${label}`}>
            {exactTime(at * 1000, clock).slice(0, 16)}: {label}
          </li>
        ))}
      </ul>
    </details>
  )
}

/** The buckets that a range touches; all of them where there is none, or where it touches none any more. */
function within(all: readonly StatsBucket[], range: Range | undefined): readonly StatsBucket[] {
  if (range === undefined) return all
  const stepMs = stepOf(all)
  const found = all.filter(({ start }) => {
    const at = Date.parse(start)
    return at + stepMs > range.since * 1000 && at < range.until * 1000
  })
  return found.length === 0 ? all : found
}

function stepOf([first, second]: readonly StatsBucket[]): number {
  return first && second ? Date.parse(second.start) - Date.parse(first.start) : 60_000
}

function sumsOf(buckets: readonly StatsBucket[]): Pick<StatsTotals, 'success' | 'failed' | 'by_class'> {
  const classes: Record<string, number> = {}
  for (const { by_class: some } of buckets)
    for (const [name, value] of Object.entries(some)) classes[name] = (classes[name] ?? 0) + value
  const sum = (name: 'success' | 'failed') => buckets.reduce((total, bucket) => total + bucket[name], 0)
  return { success: sum('success'), failed: sum('failed'), by_class: classes }
}

function RangeBar({
  buckets,
  range,
  search,
  end,
}: {
  readonly buckets: readonly StatsBucket[]
  readonly range: Range
  readonly search: Readonly<Record<string, string>> | undefined
  readonly end: () => void
}) {
  const { clock } = usePreferences()
  const since = buckets[0]?.start ?? new Date(range.since * 1000).toISOString()
  const last = buckets.at(-1)?.start
  const until = new Date(
    last === undefined ? range.until * 1000 : Date.parse(last) + stepOf(buckets),
  ).toISOString()
  const text = (at: string) => exactTime(Date.parse(at), clock).slice(0, 16)
  return (
    <div className="mb-3 flex flex-wrap items-center gap-2 text-sm">
      <span>
        {text(since)} to {text(until)}
      </span>
      <ButtonLink size="sm" to="/events" search={{ ...search, since, until }}>
        Events of this time
      </ButtonLink>
      <Button size="sm" onClick={end}>
        The whole window
      </Button>
    </div>
  )
}

const classWords: Readonly<Record<string, string>> = {
  http: 'refused by their status',
  timeout: 'time-outs',
  connect: 'without a connection',
  dns: 'with a name that was not found',
  tls: 'in TLS',
  blocked: 'to addresses that are not allowed',
}

function failureSentence({
  success,
  failed,
  by_class: classes,
}: Pick<StatsTotals, 'success' | 'failed' | 'by_class'>): string {
  const all = success + failed
  if (all === 0) return 'No attempt was made.'
  if (failed === 0) return 'All were accepted.'
  const [name, most] = Object.entries(classes).sort((a, b) => b[1] - a[1])[0] ?? ['', 0]
  const share = most / failed
  const part = share > 0.95 ? 'all' : share > 0.6 ? 'most of them' : `${percentText(share)} of them`
  return `${percentText(failed / all)} failed, ${part} ${classWords[name] ?? name}.`
}
