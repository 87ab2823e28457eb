import { Suspense, useId } from 'react'
import { usePreferences } from '../shell/preferences.ts'
import { late } from './late.ts'
import type { TimeSeriesProps } from './series.ts'
import { Skeleton } from './states.tsx'
import { exactTime } from './time.tsx'

const Plot = late(async () => (await import('./time-series-plot.tsx')).Plot)

/** Values over time: a picture, the same as a sentence, and as a table for who does not see it. The library comes late. */
export function TimeSeries(props: TimeSeriesProps) {
  const { title, sentence, times, series, format, height = 180 } = props
  const id = useId()
  return (
    <figure aria-labelledby={id} className="min-w-0">
      <figcaption className="mb-2 flex flex-wrap items-baseline justify-between gap-x-4">
        <span id={id} className="text-sm font-semibold">
          {title}
        </span>
        <span className="text-xs text-ink-2">{sentence}</span>
      </figcaption>
      <ul aria-hidden="true" className="mb-1 flex flex-wrap gap-x-3 text-xs text-ink-3">
        {series.map(({ name, colour }) => (
          <li key={name} className="flex items-center gap-1.5">
            <span className="h-2 w-2 rounded-sm" style={{ background: `var(${colour})` }} />
            {name}
          </li>
        ))}
      </ul>
      <div style={{ height }} className="min-w-0">
        <Suspense fallback={<Skeleton className="h-full w-full" />}>
          <Plot {...props} height={height} />
        </Suspense>
      </div>
      <Spoken title={title} times={times} series={series} format={format} />
    </figure>
  )
}

function Spoken({
  title,
  times,
  series,
  format,
}: Pick<TimeSeriesProps, 'title' | 'times' | 'series' | 'format'>) {
  const { clock } = usePreferences()
  return (
    <div className="only-spoken">
      <table>
        <caption>{title}</caption>
        <thead>
          <tr>
            <th scope="col">Time</th>
            {series.map(({ name }) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {times.map((time, index) => (
            <tr key={time}>
              <th scope="row">{exactTime(time * 1000, clock)}</th>
              {series.map(({ name, values }) => (
                <td key={name}>{values[index] == null ? 'none' : format(values[index])}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
