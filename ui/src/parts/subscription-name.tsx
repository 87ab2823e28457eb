import { Link } from '@tanstack/react-router'
import { useRead } from '../api/queries.ts'
import type { Subscription } from '../api/schema.ts'
import type { Filter } from '../design/filter-bar.tsx'
import { Time } from '../design/time.tsx'

/** The subscriptions that are known without asking for each: the first page of them. */
export function useSubscriptionNames(): ReadonlyMap<number, Subscription> {
  const { data } = useRead('listSubscriptions', { query: { limit: 250 } })
  return new Map((data ?? []).map(subscription => [subscription.id, subscription]))
}

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

/** Why a subscription is as it is; the times in it as people read them. */
export function Reason({ text }: { readonly text: string }) {
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
