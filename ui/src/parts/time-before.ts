import { useRead } from '../api/queries.ts'
import type { StatsBucket } from '../api/schema.ts'
import type { Window } from './window.ts'

/** The window whose figures reach back far enough to hold the time before one; undefined: none does. */
const longer: Readonly<Record<Window, Window | undefined>> = {
  '1h': '24h',
  '24h': '7d',
  '7d': '30d',
  '30d': undefined,
}

export const lengthMs: Readonly<Record<Window, number>> = {
  '1h': 3_600_000,
  '24h': 86_400_000,
  '7d': 604_800_000,
  '30d': 2_592_000_000,
}

/** What was counted in the time before a window, of the same length. */
export interface Before {
  readonly success: number
  readonly failed: number
  readonly givenUp: number
  /** Such as `24h`. */
  readonly window: Window
}

/** Undefined: not known, or nothing was attempted then. */
export function useBefore(window: Window, tenant: string | undefined): Before | undefined {
  const reach = longer[window]
  const { data } = useRead(
    'getStats',
    { query: { window: reach ?? window, tenant } },
    { enabled: reach !== undefined, everyMs: 60_000, keep: true },
  )
  if (reach === undefined || data?.window !== reach) return undefined
  const found = beforeOf(data.buckets, Date.now(), window)
  return found.success + found.failed === 0 ? undefined : found
}

/** By whole buckets, so that it is off by a part of one at most. */
export function beforeOf(buckets: readonly StatsBucket[], now: number, window: Window): Before {
  const length = lengthMs[window]
  const then = buckets.filter(({ start }) => {
    const at = Date.parse(start)
    return at >= now - 2 * length && at < now - length
  })
  const sum = (pick: (bucket: StatsBucket) => number) =>
    then.reduce((total, bucket) => total + pick(bucket), 0)
  return {
    success: sum(({ success }) => success),
    failed: sum(({ failed }) => failed),
    givenUp: sum(({ given_up: givenUp }) => givenUp),
    window,
  }
}
