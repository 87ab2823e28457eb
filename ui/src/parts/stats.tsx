import { type ReactNode, useMemo } from 'react'
import type { StatsBucket, StatsTotals } from '../api/schema.ts'
import { Segmented } from '../design/field.tsx'
import { Card, Figure, Section } from '../design/page.tsx'
import type { Series } from '../design/series.ts'
import { ErrorState, Skeleton } from '../design/states.tsx'
import { durationText, numberText, Time } from '../design/time.tsx'
import { TimeSeries } from '../design/time-series.tsx'

export const windows = ['1h', '24h', '7d', '30d'] as const
export type Window = (typeof windows)[number]

export function windowOf(text: string | undefined): Window {
  return windows.find(one => one === text) ?? '24h'
}

export function WindowPicker({
  value,
  onChange,
}: {
  readonly value: Window
  readonly onChange: (value: Window) => void
}) {
  return (
    <Segmented
      label="The time that is shown"
      value={value}
      onChange={onChange}
      options={windows.map(window => ({ value: window, label: window }))}
    />
  )
}

export interface StatsFigures {
  readonly buckets: readonly StatsBucket[]
  readonly totals: StatsTotals
  readonly oldest_due_at: string | null
  readonly pending: number
  readonly pending_exact: boolean
}

/** A share as people read it; not rounded up to all where something failed. */
export function percentText(share: number | null): string {
  if (share === null) return '–'
  return `${share === 1 ? '100' : (Math.floor(share * 1000) / 10).toFixed(1)} %`
}

const rateTone = (share: number | null) =>
  share === null || share >= 0.99 ? undefined : share >= 0.9 ? ('warn' as const) : ('bad' as const)

/** What was attempted, how well, how fast, and what waits: as figures and as pictures. */
export function StatsView({
  read,
  more,
  failedLink,
}: {
  readonly read: {
    readonly data: StatsFigures | undefined
    readonly error: unknown
    readonly refetch: () => unknown
  }
  /** More figures. */
  readonly more?: ReactNode
  /** Around the figure of what was given up. */
  readonly failedLink?: (figure: ReactNode) => ReactNode
}) {
  const { data } = read
  if (data === undefined) {
    if (read.error != null) return <ErrorState error={read.error} retry={() => void read.refetch()} />
    return (
      <Card className="mb-6 space-y-4">
        <Skeleton className="h-14" />
        <Skeleton className="h-44" />
      </Card>
    )
  }
  const { totals } = data
  const attempts = totals.success + totals.failed
  const givenUp = (
    <Figure
      label="Given up"
      value={numberText(totals.given_up)}
      tone={totals.given_up > 0 ? 'bad' : undefined}
      hint="after the last attempt"
    />
  )
  return (
    <>
      <Card className="mb-4">
        <div className="grid grid-cols-2 gap-x-6 gap-y-5 sm:grid-cols-3 lg:grid-cols-5">
          <Figure
            label="Attempts accepted"
            value={percentText(totals.success_rate)}
            tone={rateTone(totals.success_rate)}
            hint={`${numberText(totals.success)} of ${numberText(attempts)}`}
          />
          {failedLink ? failedLink(givenUp) : givenUp}
          <Figure
            label="p95"
            value={durationText(totals.p95_ms)}
            hint={`p50 ${durationText(totals.p50_ms)} · p99 ${durationText(totals.p99_ms)}`}
          />
          <Figure
            label="Waiting"
            value={`${data.pending_exact ? '' : '≈ '}${numberText(data.pending)}`}
            hint={
              data.oldest_due_at === null ? (
                'nothing is late'
              ) : (
                <>
                  oldest due <Time at={data.oldest_due_at} />
                </>
              )
            }
          />
          {more}
        </div>
      </Card>
      <Charts buckets={data.buckets} totals={totals} />
    </>
  )
}

const network = ['dns', 'connect', 'tls', 'proxy']
const count = (value: number) => numberText(Math.round(value))

function Charts({
  buckets,
  totals,
}: {
  readonly buckets: readonly StatsBucket[]
  readonly totals: StatsTotals
}) {
  const { times, outcomes, latencies } = useMemo(() => {
    const of = (bucket: StatsBucket, classes: readonly string[]) =>
      classes.reduce((sum, name) => sum + (bucket.by_class[name] ?? 0), 0)
    const other = (bucket: StatsBucket) => bucket.failed - of(bucket, ['http', 'timeout', ...network])
    const all: readonly Series[] = [
      { name: 'accepted', colour: '--good', values: buckets.map(bucket => bucket.success) },
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
  return (
    <Section>
      <div className="grid gap-4 narrow:grid-cols-2">
        <Card>
          <TimeSeries
            title="Attempts"
            kind="bars"
            times={times}
            series={outcomes}
            format={count}
            sentence={failureSentence(totals)}
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
          />
        </Card>
      </div>
    </Section>
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

function failureSentence({ success, failed, by_class: classes }: StatsTotals): string {
  const all = success + failed
  if (all === 0) return 'No attempt was made.'
  if (failed === 0) return 'All were accepted.'
  const [name, most] = Object.entries(classes).sort((a, b) => b[1] - a[1])[0] ?? ['', 0]
  const share = most / failed
  const part = share > 0.95 ? 'all' : share > 0.6 ? 'most of them' : `${percentText(share)} of them`
  return `${percentText(failed / all)} failed, ${part} ${classWords[name] ?? name}.`
}
