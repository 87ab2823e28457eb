import type { ReactNode } from 'react'
import { cx } from './cx.ts'

export interface Moment {
  readonly key: string
  readonly tone: 'good' | 'busy' | 'warn' | 'bad' | 'idle'
  /** Not yet: a hollow dot. */
  readonly planned?: boolean
  readonly title: ReactNode
  readonly at: ReactNode
  readonly detail?: ReactNode
}

const fills = {
  good: 'bg-good border-good',
  busy: 'bg-busy border-busy',
  warn: 'bg-warn border-warn',
  bad: 'bg-bad border-bad',
  idle: 'bg-control border-control',
}

/** What happened, one below the other, and what is planned. */
export function Timeline({
  moments,
  label,
}: {
  readonly moments: readonly Moment[]
  readonly label: string
}) {
  return (
    <ol aria-label={label} className="relative">
      {moments.map(({ key, tone, planned, title, at, detail }, index) => (
        <li key={key} className="relative flex gap-3 pb-3 last:pb-0">
          {index < moments.length - 1 && (
            <span aria-hidden="true" className="absolute top-4 bottom-0 left-[5px] w-px bg-line" />
          )}
          <span
            aria-hidden="true"
            className={cx(
              'mt-[5px] h-[11px] w-[11px] shrink-0 rounded-full border-2',
              planned ? 'border-control bg-transparent' : fills[tone],
            )}
          />
          <div className="min-w-0 grow">
            <div className="flex items-center gap-x-2 text-sm">
              <span className="min-w-0 font-medium">{title}</span>
              <span className="ml-auto shrink-0 text-xs text-ink-3">{at}</span>
            </div>
            {detail && <div className="text-xs break-words text-ink-2">{detail}</div>}
          </div>
        </li>
      ))}
    </ol>
  )
}
