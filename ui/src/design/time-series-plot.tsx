import { useEffect, useRef, useState } from 'react'
import UPlot, { type AlignedData, type Options } from 'uplot'
import { usePreferences } from '../shell/preferences.ts'
import type { Mark, TimeSeriesProps } from './series.ts'
import { exactTime } from './time.tsx'

/** All values are whole ones, so that a label between two of them would be wrong. */
const wholeSteps = Array.from({ length: 13 }, (_, power) => [1, 2, 5].map(step => step * 10 ** power)).flat()

/** All plots of a page share the crosshair. */
const crosshair = UPlot.sync('page')

const noMarks: readonly Mark[] = []

/** The one place that knows the library of charts. */
export function Plot({
  kind,
  times,
  series,
  format,
  height = 180,
  marks = noMarks,
  onRange,
  onWhole,
}: TimeSeriesProps) {
  const place = useRef<HTMLDivElement>(null)
  const { theme, clock } = usePreferences()
  const [at, setAt] = useState<number | null>(null)
  const [themed, setThemed] = useState(0)
  const ranged = useRef(onRange)
  ranged.current = onRange
  const whole = useRef(onWhole)
  whole.current = onWhole
  useEffect(() => {
    const again = () => setThemed(count => count + 1)
    addEventListener('themechange', again)
    return () => removeEventListener('themechange', again)
  }, [])
  // biome-ignore lint/correctness/useExhaustiveDependencies: the theme changes the colours that the style sheet gives
  useEffect(() => {
    const element = place.current
    if (element === null) return
    const plot = new UPlot(
      optionsOf({
        kind,
        series,
        format,
        height,
        width: element.clientWidth,
        utc: clock === 'utc',
        ranged,
        setAt,
        marks,
      }),
      dataOf(kind, times, series),
      element,
    )
    plot.over.addEventListener('dblclick', () => whole.current?.())
    const observer = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height }))
    observer.observe(element)
    return () => {
      observer.disconnect()
      plot.destroy()
    }
  }, [kind, times, series, format, height, marks, clock, theme, themed])
  return (
    <div className="relative" aria-hidden="true">
      <div ref={place} />
      {at !== null && times[at] !== undefined && (
        <div className="pointer-events-none absolute top-1 right-1 rounded-control border bg-surface px-2 py-1.5 text-xs shadow-float">
          <div className="mb-1 text-ink-3">{exactTime(times[at] * 1000, clock).replace('.000', '')}</div>
          {series.map(({ name, colour, values }) => (
            <div key={name} className="flex items-center gap-2">
              <span className="h-2 w-2 rounded-sm" style={{ background: `var(${colour})` }} />
              <span className="text-ink-2">{name}</span>
              <span className="ml-auto pl-3 font-medium">
                {values[at] == null ? '–' : format(values[at])}
              </span>
            </div>
          ))}
          {marksAt(marks, times, at).map(({ at: moment, label }) => (
            <div key={`${moment} ${label}`} className="mt-1 text-accent">
              {label}
            </div>
          ))}
        </div>
      )}
    </div>
  )
}

/** The marks in the bucket under the pointer. */
function marksAt(marks: readonly Mark[], times: readonly number[], index: number): readonly Mark[] {
  const from = times[index] ?? 0
  const to = times[index + 1] ?? Number.POSITIVE_INFINITY
  return marks.filter(({ at }) => at >= from && at < to)
}

/** A dashed line for each mark, over all that is drawn. */
function drawMarks({ ctx, bbox, valToPos }: UPlot, marks: readonly Mark[], colour: string): void {
  ctx.save()
  ctx.strokeStyle = colour
  ctx.setLineDash([4, 4])
  for (const { at } of marks) {
    const x = Math.round(valToPos(at, 'x', true))
    if (x < bbox.left || x > bbox.left + bbox.width) continue
    ctx.beginPath()
    ctx.moveTo(x, bbox.top)
    ctx.lineTo(x, bbox.top + bbox.height)
    ctx.stroke()
  }
  ctx.restore()
}

/** Bars that stand on one another are drawn from the back: the sums first. */
function dataOf(
  kind: TimeSeriesProps['kind'],
  times: readonly number[],
  series: TimeSeriesProps['series'],
): AlignedData {
  if (kind !== 'bars') return [[...times], ...series.map(({ values }) => [...values])]
  const sums = series.map((_, upTo) =>
    times.map((_, index) =>
      series.slice(0, upTo + 1).reduce((sum, { values }) => sum + (values[index] ?? 0), 0),
    ),
  )
  return [[...times], ...sums.reverse()]
}

interface Given extends Pick<TimeSeriesProps, 'kind' | 'series' | 'format'> {
  readonly height: number
  readonly width: number
  readonly utc: boolean
  readonly ranged: { readonly current: TimeSeriesProps['onRange'] }
  readonly setAt: (index: number | null) => void
  readonly marks: readonly Mark[]
}

function optionsOf({ kind, series, format, height, width, utc, ranged, setAt, marks }: Given): Options {
  const token = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim()
  const axis = {
    stroke: token('--text-3'),
    grid: { stroke: token('--line'), width: 1 },
    ticks: { show: false },
    font: '11px system-ui',
  }
  const drawn = kind === 'bars' ? [...series].reverse() : series
  const bars = UPlot.paths.bars?.({ size: [0.8, 28], radius: 0.1 })
  return {
    width,
    height,
    // On the right there is room for half of the last label.
    padding: [8, 20, 0, 0],
    legend: { show: false },
    ...(utc && { tzDate: (seconds: number) => UPlot.tzDate(new Date(seconds * 1000), 'Etc/UTC') }),
    cursor: {
      sync: { key: crosshair.key },
      drag: { x: ranged.current !== undefined, y: false },
      points: { show: kind !== 'bars' },
    },
    scales: { y: { range: (_, __, most) => [0, Math.max(1, most * 1.08)] } },
    axes: [
      { ...axis, space: 70, size: 40, values: (_, splits, __, ___, step) => timeLabels(splits, step, utc) },
      {
        ...axis,
        size: 52,
        space: 34,
        incrs: wholeSteps,
        values: (_, values) => values.map(value => format(value)),
      },
    ],
    series: [
      {},
      ...drawn.map(({ name, colour, values }) => {
        const stroke = token(colour)
        if (kind === 'bars')
          return {
            label: name,
            fill: stroke,
            stroke,
            width: 0,
            points: { show: false },
            ...(bars && { paths: bars }),
          }
        return {
          label: name,
          stroke,
          width: 1.5,
          // One value alone is no line.
          points: { show: values.filter(value => value !== null).length < 3, size: 5, fill: stroke },
          ...(kind === 'area' && { fill: `color-mix(in oklab, ${stroke} 16%, transparent)` }),
        }
      }),
    ],
    hooks: {
      setCursor: [plot => setAt(plot.cursor.idx ?? null)],
      draw: [plot => drawMarks(plot, marks, token('--accent'))],
      setSelect: [
        plot => {
          const { left, width: wide } = plot.select
          if (wide < 8) return
          ranged.current?.(plot.posToVal(left, 'x'), plot.posToVal(left + wide, 'x'))
          plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false)
        },
      ],
    },
  }
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** Hours and minutes, with the day below where it begins; days alone where steps are that long. */
function timeLabels(seconds: readonly number[], step: number, utc: boolean): string[] {
  let before = ''
  return seconds.map(second => {
    const date = new Date(second * 1000)
    const day = `${months[utc ? date.getUTCMonth() : date.getMonth()]} ${utc ? date.getUTCDate() : date.getDate()}`
    if (step >= 86_400) return day
    const two = (value: number) => String(value).padStart(2, '0')
    const time = `${two(utc ? date.getUTCHours() : date.getHours())}:${two(utc ? date.getUTCMinutes() : date.getMinutes())}`
    const isNew = day !== before
    before = day
    return isNew ? `${time}\n${day}` : time
  })
}
