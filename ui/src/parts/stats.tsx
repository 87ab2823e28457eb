import type { ReactNode } from 'react'
import type { StatsBucket, StatsTotals } from '../api/schema.ts'
import { Segmented } from '../design/field.tsx'
import { Card, Figure } from '../design/page.tsx'
import type { Mark } from '../design/series.ts'
import { ErrorState, Skeleton } from '../design/states.tsx'
import { durationText, numberText, Time } from '../design/time.tsx'
import { percentText } from './percent.ts'
import { StatsCharts } from './stats-charts.tsx'
import type { Before } from './time-before.ts'
import { type Window, windows } from './window.ts'

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

const rateTone = (share: number | null) =>
  share === null || share >= 0.99 ? undefined : share >= 0.9 ? ('warn' as const) : ('bad' as const)

const noMarks: readonly Mark[] = []

/** A duration whose unit stands on the same line. */
const unbroken = (ms: number | null) => durationText(ms).replaceAll(' ', '\u00a0')

/** What was attempted, how well, how fast, and what waits: as figures and as pictures. */
export function StatsView({
  read,
  more,
  failedLink,
  search,
  before,
  marks = noMarks,
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
  /** Filters of the events that these figures are of. */
  readonly search?: Readonly<Record<string, string>>
  /** What the figures are compared with. */
  readonly before?: Before | undefined
  /** Changes that may explain what the charts show. */
  readonly marks?: readonly Mark[]
}) {
  const { data } = read
  if (data === undefined) {
    if (read.error != null)
      return (
        <div className="mb-6">
          <ErrorState error={read.error} retry={() => void read.refetch()} />
        </div>
      )
    return (
      <>
        <Card className="mb-4">
          <Skeleton className="h-[74px]" />
        </Card>
        <div className="mb-6 grid gap-4 narrow:grid-cols-2">
          {['outcomes', 'durations'].map(name => (
            <Card key={name}>
              <Skeleton className="h-[230px]" />
            </Card>
          ))}
        </div>
      </>
    )
  }
  const { totals } = data
  const attempts = totals.success + totals.failed
  const givenUp = (
    <Figure
      label="Given up"
      value={numberText(totals.given_up)}
      tone={totals.given_up > 0 ? 'bad' : undefined}
      hint={
        before === undefined
          ? 'after the last attempt'
          : `${numberText(before.givenUp)} in the ${before.window} before`
      }
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
            hint={
              before === undefined
                ? `${numberText(totals.success)} of ${numberText(attempts)}`
                : `of ${numberText(attempts)} · ${percentText(before.success / (before.success + before.failed))} before`
            }
          />
          {failedLink ? failedLink(givenUp) : givenUp}
          <Figure
            label="Took, p95"
            value={durationText(totals.p95_ms)}
            hint={`p50\u00a0${unbroken(totals.p50_ms)} · p99\u00a0${unbroken(totals.p99_ms)}`}
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
      <StatsCharts buckets={data.buckets} totals={totals} search={search} marks={marks} />
    </>
  )
}
