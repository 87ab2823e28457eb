import { useState } from 'react'
import { Field, Input, Segmented } from '../design/field.tsx'
import { durationText } from '../design/time.tsx'

export interface RetryShape {
  readonly max_attempts: number
  readonly base_seconds: number
  readonly factor: number
  readonly max_delay_seconds: number
  readonly schedule_seconds: readonly number[]
}

/** When attempts would be made, in seconds after the first. */
export function attemptTimes({
  max_attempts: most,
  base_seconds: base,
  factor,
  max_delay_seconds: longest,
  schedule_seconds: schedule,
}: RetryShape): readonly number[] {
  const delays =
    schedule.length > 0
      ? schedule
      : Array.from({ length: Math.min(50, Math.max(0, most - 1)) }, (_, index) =>
          Math.min(longest, base * factor ** index),
        )
  const times = [0]
  for (const delay of delays) times.push((times.at(-1) ?? 0) + delay)
  return times
}

/** The rules of trying again, and the attempts that follow from them drawn on a line of time. */
export function RetryPreview({
  value,
  onChange,
  error,
}: {
  readonly value: RetryShape
  readonly onChange: (value: RetryShape) => void
  readonly error?: string | undefined
}) {
  const [kind, setKind] = useState<'curve' | 'list'>(value.schedule_seconds.length > 0 ? 'list' : 'curve')
  const [text, setText] = useState(value.schedule_seconds.join(', '))
  const set = (change: Partial<RetryShape>) => onChange({ ...value, ...change })
  const number = (name: 'max_attempts' | 'base_seconds' | 'factor' | 'max_delay_seconds') => ({
    type: 'number',
    value: Number.isNaN(value[name]) ? '' : value[name],
    onChange: (event: { target: { valueAsNumber: number } }) => set({ [name]: event.target.valueAsNumber }),
  })
  const listed = (list: string) => {
    setText(list)
    const seconds = list
      .split(/[\s,]+/)
      .filter(Boolean)
      .map(Number)
    set({ schedule_seconds: seconds.filter(one => !Number.isNaN(one)), max_attempts: seconds.length + 1 })
  }
  return (
    <div className="space-y-4">
      <div className="flex flex-wrap items-center justify-between gap-2">
        <span className="text-sm font-medium">Trying again</span>
        <Segmented
          label="How the times are given"
          value={kind}
          onChange={next => {
            setKind(next)
            if (next === 'curve') set({ schedule_seconds: [] })
          }}
          options={[
            { value: 'curve', label: 'Growing' },
            { value: 'list', label: 'A list' },
          ]}
        />
      </div>
      {kind === 'curve' ? (
        <div className="grid grid-cols-2 gap-4 sm:grid-cols-4">
          <Field label="Attempts in all">
            <Input min={1} max={100} {...number('max_attempts')} />
          </Field>
          <Field label="First wait, s">
            <Input min={0} step="any" {...number('base_seconds')} />
          </Field>
          <Field label="Growth factor">
            <Input min={1} step="any" {...number('factor')} />
          </Field>
          <Field label="Longest wait, s">
            <Input min={1} {...number('max_delay_seconds')} />
          </Field>
        </div>
      ) : (
        <Field label="Waits between attempts, in seconds" hint="With commas between">
          <Input
            value={text}
            onChange={event => listed(event.target.value)}
            placeholder="5, 300, 1800, 7200"
          />
        </Field>
      )}
      {error && (
        <p role="alert" className="text-xs text-bad">
          {error}
        </p>
      )}
      <RetryLine value={value} />
    </div>
  )
}

/** The same drawn: early attempts are close together, so the line is logarithmic. */
export function RetryLine({ value }: { readonly value: RetryShape }) {
  const times = attemptTimes(value)
  const last = times.at(-1) ?? 0
  const place = (seconds: number) => (last === 0 ? 0 : (Math.log1p(seconds) / Math.log1p(last)) * 100)
  return (
    <figure>
      <figcaption className="mb-3 text-xs text-ink-2">
        {times.length === 1
          ? 'One attempt, and no second one.'
          : `${times.length} attempts, at ${times
              .slice(0, 8)
              .map(seconds => (seconds === 0 ? 'once' : durationText(seconds * 1000)))
              .join(
                ', ',
              )}${times.length > 8 ? ', …' : ''} after the first; given up after ${durationText(last * 1000)}.`}
      </figcaption>
      <div className="relative mx-1.5 h-3" aria-hidden="true">
        <div className="absolute inset-x-0 top-[5px] h-px bg-line" />
        {times.map((seconds, index) => (
          <span
            // biome-ignore lint/suspicious/noArrayIndexKey: attempts stay in their order
            key={index}
            title={durationText(seconds * 1000)}
            className={`absolute top-0 h-[11px] w-[11px] -translate-x-1/2 rounded-full border-2 ${index === 0 ? 'border-accent bg-accent' : index === times.length - 1 ? 'border-bad bg-surface' : 'border-accent bg-surface'}`}
            style={{ left: `${place(seconds)}%` }}
          />
        ))}
      </div>
    </figure>
  )
}
