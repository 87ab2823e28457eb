import { useSyncExternalStore } from 'react'
import { usePreferences } from '../shell/preferences.ts'

const tickMs = 1000
let now = Date.now()
let timer: ReturnType<typeof setInterval> | undefined
const listeners = new Set<() => void>()

/** One clock for all times on the page. */
function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  timer ??= setInterval(() => {
    now = Date.now()
    for (const each of listeners) each()
  }, tickMs)
  return () => {
    listeners.delete(listener)
    if (listeners.size > 0) return
    clearInterval(timer)
    timer = undefined
  }
}

/** Unix milliseconds, each second, rounded down to `stepMs`: so that what shows minutes is not drawn each second. */
export function useNow(stepMs = 1000): number {
  return useSyncExternalStore(subscribe, () => Math.floor(now / stepMs) * stepMs)
}

/** A time: relative, with the exact one on hover; or exact, with both. */
export function Time({ at, exact }: { readonly at: string | null | undefined; readonly exact?: boolean }) {
  const ms = at == null ? Number.NaN : Date.parse(at)
  const age = Date.now() - ms
  const current = useNow(Math.abs(age) < 90_000 ? 1000 : 30_000)
  if (at == null || Number.isNaN(ms)) return <span className="text-ink-3">–</span>
  if (exact) return <ExactTime at={at} />
  // What shows texts on hover finds the exact time by itself.
  return (
    <time dateTime={at} className="whitespace-nowrap">
      {relativeTime(ms - current)}
    </time>
  )
}

function ExactTime({ at }: { readonly at: string }) {
  const { clock } = usePreferences()
  const ms = Date.parse(at)
  return (
    <time dateTime={at} data-exact>
      {exactTime(ms, clock)} <span className="text-ink-3">({relativeTime(ms - useNow())})</span>
    </time>
  )
}

export function exactTime(ms: number, clock: 'utc' | 'local'): string {
  const date = new Date(ms)
  if (clock === 'utc') return `${date.toISOString().replace('T', ' ').replace('Z', '')} UTC`
  const two = (value: number, digits = 2) => String(value).padStart(digits, '0')
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${two(date.getMilliseconds(), 3)}`
  const zone = -date.getTimezoneOffset()
  const sign = zone < 0 ? '-' : '+'
  return `${day} ${time} ${sign}${two(Math.floor(Math.abs(zone) / 60))}:${two(Math.abs(zone) % 60)}`
}

/** In words: `12 s ago`, `in 4 min`. */
export function relativeTime(ms: number): string {
  const [text, isNow] = span(Math.abs(ms))
  // What has just happened can be ahead of this clock by a little.
  if (isNow) return 'just now'
  return ms > 0 ? `in ${text}` : `${text} ago`
}

function span(ms: number): readonly [text: string, isNow: boolean] {
  const seconds = Math.round(ms / 1000)
  if (seconds < 2) return ['', true]
  if (seconds < 60) return [`${seconds} s`, false]
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return [`${minutes} min`, false]
  const hours = Math.floor(minutes / 60)
  if (hours < 48) return [`${hours} h`, false]
  return [`${Math.floor(hours / 24)} d`, false]
}

/** How long something took or takes. */
export function durationText(ms: number | null | undefined): string {
  if (ms == null) return '–'
  if (ms < 10) return `${Number(ms.toFixed(1))} ms`
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${Number((ms / 1000).toFixed(ms < 10_000 ? 2 : 1))} s`
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`
  if (ms < 172_800_000) return `${Math.floor(ms / 3_600_000)} h ${Math.round((ms % 3_600_000) / 60_000)} min`
  return `${Math.floor(ms / 86_400_000)} d ${Math.round((ms % 86_400_000) / 3_600_000)} h`
}

/** How much there is to come: `in 12 s`, `due`. */
export function Countdown({ at }: { readonly at: string }) {
  const left = Date.parse(at) - useNow()
  return (
    <span className="whitespace-nowrap">
      {left <= 0 ? 'due now' : `in ${durationText(Math.ceil(left / 1000) * 1000)}`}
    </span>
  )
}

/** Bytes for people. */
export function bytesText(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`
  if (bytes < 1_048_576) return `${Number((bytes / 1024).toFixed(1))} KiB`
  return `${Number((bytes / 1_048_576).toFixed(1))} MiB`
}

/** A number with a thin space between thousands. */
export function numberText(value: number): string {
  return value.toLocaleString('en-US').replaceAll(',', '\u202f')
}
