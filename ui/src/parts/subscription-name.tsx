import { Link } from '@tanstack/react-router'
import { useRead } from '../api/queries.ts'
import type { Subscription } from '../api/schema.ts'
import type { Filter } from '../design/filter-bar.tsx'
import { Countdown, Time } from '../design/time.tsx'

/** The subscriptions that are known without asking for each: the first page of them. */
export function useSubscriptionNames(): ReadonlyMap<number, Subscription> {
  const { data = none } = useRead('listSubscriptions', { query: { limit: 250 } })
  const known = maps.get(data) ?? new Map(data.map(subscription => [subscription.id, subscription]))
  maps.set(data, known)
  return known
}

const none: readonly Subscription[] = []
/** Each row of a list asks: one map is made for an answer. */
const maps = new WeakMap<readonly Subscription[], ReadonlyMap<number, Subscription>>()

/** A filter by a subscription: by its id, found by its name. */
export function useSubscriptionFilter(hint: string): Filter {
  const known = useSubscriptionNames()
  return {
    ...{ key: 'subscription_id', name: 'subscription', hint },
    options: [...known.keys()].map(String),
    names: new Map([...known].map(([id, subscription]) => [String(id), nameOf(subscription)])),
  }
}

/** Where a subscription leads to, without what all of them have. */
export function shortUrl(url: string): string {
  const short = url.replace(/^https?:\/\//, '').replace(/\/$/, '')
  return short.length > 80 ? `${short.slice(0, 79)}…` : short
}

/** What people call it; of one that is not known nothing. */
export function nameOf(subscription: Subscription | undefined): string {
  return subscription === undefined ? '' : subscription.description || shortUrl(subscription.target_url)
}

/** When a circuit that is open is tried, and what stands before it. */
const tries = /^(.+); tried again with one attempt at a time from (\S+Z) on\b.*$/

/** Why a subscription is as it is; the times in it as people read them. `short`: without what follows from it. */
export function Reason({ text, short }: { readonly text: string; readonly short?: boolean }) {
  const [, cause, at] = tries.exec(text) ?? []
  if (cause !== undefined && at !== undefined) {
    if (short) return cause
    return Date.parse(at) > Date.now() ? (
      <>
        {cause}; one attempt is made <Countdown at={at} />, and more once it is accepted
      </>
    ) : (
      `${cause}; one attempt at a time is made, less and less often, until one is accepted`
    )
  }
  const parts = text.split(/(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)/)
  return parts.map((part, index) =>
    // biome-ignore lint/suspicious/noArrayIndexKey: the parts of a text stay in their order
    index % 2 === 1 ? <Time key={index} at={part} /> : part,
  )
}

/** A subscription by its id and, where it is known, its address. */
export function SubscriptionName({ id }: { readonly id: number }) {
  const known = useSubscriptionNames().get(id)
  return (
    <Link
      to="/subscriptions/$id"
      params={{ id: String(id) }}
      className="inline-flex max-w-full items-baseline gap-1.5 rounded hover:underline"
    >
      <span className="text-ink-3">#{id}</span>
      {known && <span className="truncate">{nameOf(known)}</span>}
    </Link>
  )
}
