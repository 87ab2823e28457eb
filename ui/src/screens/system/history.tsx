import { useMemo, useRef } from 'react'
import type { SystemReport } from '../../api/schema.ts'
import { Card, Section } from '../../design/page.tsx'
import { durationText, numberText } from '../../design/time.tsx'
import { TimeSeries } from '../../design/time-series.tsx'

interface Sample {
  readonly at: number
  readonly owed: number
  readonly oldestSeconds: number
}

/** Half an hour, as the page asks every two seconds. */
const samplesMax = 900

/** How far behind it is, over the time that the page is open: the service itself keeps the present figure only. */
export function History({ report }: { readonly report: SystemReport }) {
  const samples = useRef<readonly Sample[]>([])
  const at = Date.parse(report.time) / 1000
  if (report.database.available && samples.current.at(-1)?.at !== at) {
    const { owed, oldest_due_seconds: oldestSeconds } = report.backlog
    samples.current = [...samples.current, { at, owed, oldestSeconds }].slice(-samplesMax)
  }
  const shown = samples.current
  const { times, owed, oldest } = useMemo(
    () => ({
      times: shown.map(sample => sample.at),
      owed: [{ name: 'owed', colour: '--busy', values: shown.map(sample => sample.owed) }] as const,
      oldest: [
        { name: 'oldest due', colour: '--warn', values: shown.map(sample => sample.oldestSeconds * 1000) },
      ] as const,
    }),
    [shown],
  )
  if (shown.length < 3) return null
  const most = (pick: (sample: Sample) => number) => Math.max(...shown.map(pick))
  const since = durationText(((times.at(-1) ?? 0) - (times[0] ?? 0)) * 1000)
  return (
    <Section title="How far behind" hint={`Since this page was opened, ${since} ago`}>
      <div className="grid gap-4 narrow:grid-cols-2">
        <Card>
          <TimeSeries
            title="Owed"
            kind="area"
            height={120}
            times={times}
            series={owed}
            format={value => numberText(Math.round(value))}
            sentence={`At most ${numberText(most(sample => sample.owed))}.`}
          />
        </Card>
        <Card>
          <TimeSeries
            title="Oldest due"
            kind="lines"
            height={120}
            times={times}
            series={oldest}
            format={durationText}
            sentence={`At most ${durationText(most(sample => sample.oldestSeconds) * 1000)} late.`}
          />
        </Card>
      </div>
    </Section>
  )
}
