import type { ReactNode } from 'react'
import { cx } from './cx.ts'

export type Tone = 'good' | 'busy' | 'warn' | 'bad' | 'idle' | 'plain'

const tones: Readonly<Record<Tone, string>> = {
  good: 'border-transparent text-good bg-good-soft',
  busy: 'border-transparent text-busy bg-busy-soft',
  warn: 'border-transparent text-warn bg-warn-soft',
  bad: 'border-transparent text-bad bg-bad-soft',
  idle: 'border-transparent text-idle bg-idle-soft',
  plain: 'border-line text-ink-2',
}

interface StateLook {
  readonly tone: Tone
  readonly shape: string
  readonly word: string
}

/** Every state there is, with its shape, its word and its colour: the same everywhere. */
const states: Readonly<Record<string, StateLook>> = {
  success: { tone: 'good', shape: '●', word: 'delivered' },
  delivered: { tone: 'good', shape: '●', word: 'delivered' },
  active: { tone: 'good', shape: '●', word: 'active' },
  ok: { tone: 'good', shape: '●', word: 'ok' },
  done: { tone: 'good', shape: '●', word: 'done' },
  accepted: { tone: 'busy', shape: '→', word: 'accepted' },
  received: { tone: 'busy', shape: '←', word: 'received' },
  pending: { tone: 'busy', shape: '◔', word: 'pending' },
  running: { tone: 'busy', shape: '◔', word: 'running' },
  counting: { tone: 'busy', shape: '◔', word: 'counting' },
  scheduled: { tone: 'busy', shape: '◷', word: 'scheduled' },
  retry: { tone: 'warn', shape: '↻', word: 'retrying' },
  degraded: { tone: 'warn', shape: '◐', word: 'degraded' },
  circuit_open: { tone: 'bad', shape: '◌', word: 'circuit open' },
  failed: { tone: 'bad', shape: '✕', word: 'failed' },
  given_up: { tone: 'bad', shape: '✕', word: 'given up' },
  expired: { tone: 'bad', shape: '✕', word: 'too old' },
  unavailable: { tone: 'bad', shape: '✕', word: 'unavailable' },
  paused: { tone: 'idle', shape: '‖', word: 'paused' },
  disabled: { tone: 'idle', shape: '⊘', word: 'disabled' },
  cancelled: { tone: 'idle', shape: '⊘', word: 'cancelled' },
  unmatched: { tone: 'plain', shape: '○', word: 'no match' },
  test: { tone: 'plain', shape: '◇', word: 'test' },
  replay: { tone: 'plain', shape: '⟲', word: 'replay' },
  manual: { tone: 'plain', shape: '⟲', word: 'manual' },
}

/** A state as a shape, a word and a colour. */
export function StateBadge({ state, word }: { readonly state: string; readonly word?: ReactNode }) {
  const look = states[state] ?? { tone: 'plain', shape: '○', word: state.replaceAll('_', ' ') }
  return (
    <Badge tone={look.tone} shape={look.shape}>
      {state === 'disabled' ? <s>{word ?? look.word}</s> : (word ?? look.word)}
    </Badge>
  )
}

/** Why an attempt was made, where it was not by itself; nothing for an automatic one. */
export function TriggerBadge({ trigger }: { readonly trigger: string | null }) {
  return trigger === null || trigger === 'auto' ? null : <StateBadge state={trigger} />
}

/** One element: rows of long lists have several. Its shape is drawn by the style sheet, and not spoken. */
export function Badge({
  tone = 'plain',
  shape,
  children,
}: {
  readonly tone?: Tone
  readonly shape?: string
  readonly children: ReactNode
}) {
  return (
    <span
      data-shape={shape}
      className={cx(
        'shaped inline-block h-5 max-w-full shrink-0 truncate rounded-full border px-[7px] align-middle text-xs leading-[18px] font-medium',
        tones[tone],
      )}
    >
      {children}
    </span>
  )
}

/** The dot of a state, where a word beside it says the same. */
export function Dot({ tone }: { readonly tone: Tone }) {
  const fills = {
    good: 'bg-good',
    busy: 'bg-busy',
    warn: 'bg-warn',
    bad: 'bg-bad',
    idle: 'bg-idle',
    plain: 'bg-control',
  }
  return <span aria-hidden="true" className={cx('inline-block h-2 w-2 shrink-0 rounded-full', fills[tone])} />
}

/** A status of HTTP in the colour of its class. */
export function HttpStatus({ status }: { readonly status: number | null }) {
  if (status === null) return <span className="text-ink-3">–</span>
  const tone = status < 300 ? 'text-good' : status < 400 ? 'text-warn' : 'text-bad'
  return <span className={cx('font-mono text-xs font-medium', tone)}>{status}</span>
}

/** A word such as an event type. */
export function Tag({ children }: { readonly children: ReactNode }) {
  return (
    <code className="inline-block max-w-full truncate rounded border border-line bg-sunken px-1.5 align-middle font-mono text-xs leading-5 text-ink-2">
      {children}
    </code>
  )
}
