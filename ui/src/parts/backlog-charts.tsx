import { useMemo } from 'react'
import type { Stats } from '../api/schema.ts'
import { Card, Section } from '../design/page.tsx'
import { numberText } from '../design/time.tsx'
import { TimeSeries } from '../design/time-series.tsx'

const count = (value: number) => numberText(Math.round(value))
/** Short, as it stands beside the axis. */
function seconds(value: number): string {
  if (value < 60) return `${Math.round(value)} s`
  return value < 5400 ? `${Math.round(value / 60)} min` : `${Math.round(value / 360) / 10} h`
}

/** What waited over the window, and for how long the oldest one was due: the most of each part of it. */
export function BacklogCharts({ backlog }: { readonly backlog: NonNullable<Stats['backlog']> }) {
  const { times, pending, oldest } = useMemo(
    () => ({
      times: backlog.map(({ start }) => Date.parse(start) / 1000),
      pending: backlog.map(bucket => bucket.pending),
      oldest: backlog.map(bucket => (bucket.pending === null ? null : (bucket.oldest_due_seconds ?? 0))),
    }),
    [backlog],
  )
  return (
    <Section
      title="What waited"
      hint="Of all tenants, sampled once a minute; where the line is missing there is no sample."
    >
      <div className="grid gap-4 narrow:grid-cols-2">
        <Card>
          <TimeSeries
            title="Deliveries that waited"
            kind="area"
            times={times}
            series={[{ name: 'waiting', colour: '--busy', values: pending }]}
            format={count}
            sentence={most(pending, value => `At most ${count(value)} at a time.`, 'Nothing waited.')}
          />
        </Card>
        <Card>
          <TimeSeries
            title="How late the oldest one was"
            kind="lines"
            times={times}
            series={[{ name: 'oldest due', colour: '--warn', values: oldest }]}
            format={seconds}
            sentence={most(oldest, value => `At most ${seconds(value)}.`, 'Nothing was late.')}
          />
        </Card>
      </div>
    </Section>
  )
}

function most(values: readonly (number | null)[], say: (value: number) => string, nothing: string): string {
  const known = values.filter(value => value !== null)
  if (known.length === 0) return 'There is no sample yet.'
  const highest = Math.max(...known)
  return highest === 0 ? nothing : say(highest)
}
