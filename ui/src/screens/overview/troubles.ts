import type { UseQueryResult } from '@tanstack/react-query'
import { useRef } from 'react'
import type { Answer } from '../../api/client.ts'
import { type List, useRead } from '../../api/queries.ts'
import type { Subscription } from '../../api/schema.ts'
import { countedMax } from '../../parts/at-least.ts'
import { lengthMs } from '../../parts/time-before.ts'
import type { Window } from '../../parts/window.ts'
import { useTenant } from '../../shell/me.ts'
import { type Known, knownOf, notAnswered } from './known.ts'
import { countDead, isUnwell, type Trouble, unwellStates, worstFirst } from './worst-first.ts'

export interface Troubles {
  /** The worst first. Undefined: not known yet. */
  readonly rows: readonly Trouble[] | undefined
  /** Why they are not known. */
  readonly error: unknown
  readonly again: () => void
}

/** What was given up is looked for among the newest of these; of retried ones these many subscriptions are listed at most. */
const deadMax = countedMax
const retryingMax = 50
/** `listSubscriptionStats` takes no more. */
const idsMax = 100

/**
 * Which subscriptions are in trouble: those that are disabled, whose circuit is open, or whose last attempts all failed;
 * those with a delivery that has failed and is not accepted yet; those with dead letters of the window. An attempt that
 * failed and was followed by an accepted one is none. All that the overview says of troubles is from here.
 *
 * @param listed the newest subscriptions
 * @param stats of the window
 */
export function useTroubles(
  listed: List<Subscription>,
  window: Window,
  stats: UseQueryResult<Answer<'getStats'>>,
): Troubles {
  const tenant = useTenant()
  const unwell = useUnwell(listed, tenant)
  const retrying = useRead(
    'listSubscriptionStats',
    { query: { window, tenant, most: 'retrying', limit: retryingMax } },
    { everyMs: 5000, keep: true },
  )
  const hasDead = (stats.data?.totals.given_up ?? 0) > 0
  const dead = useRead(
    'listDeliveries',
    { query: { state: 'failed', tenant, limit: deadMax } },
    { enabled: hasDead, everyMs: 15_000 },
  )
  const deadOf = countDead(hasDead ? dead.data : [], Date.now() - lengthMs[window])
  const isTried = new Set(retrying.data?.map(({ subscription_id: id }) => id))
  const others = [...new Set([...unwell.rows.keys(), ...deadOf.keys()])]
    .filter(id => !isTried.has(id))
    .sort((one, other) => one - other)
    .slice(0, idsMax)
  const figures = useRead(
    'listSubscriptionStats',
    { query: { window, tenant, ids: others.join(',') } },
    { enabled: others.length > 0, everyMs: 30_000, keep: true },
  )
  const reads = [
    stats,
    ...unwell.reads,
    retrying,
    ...(hasDead ? [dead] : []),
    ...(others.length > 0 ? [figures] : []),
  ]
  const missing = notAnswered(reads)
  const asked = figures.data?.filter(({ subscription_id: id }) => others.includes(id)) ?? []
  const found = [...(retrying.data ?? []), ...asked]
  const known = useRef<Known<readonly Trouble[]>>(undefined)
  const isKnown = !listed.loading && missing.length === 0
  known.current = knownOf(known.current, tenant, isKnown ? worstFirst(found, unwell.rows, deadOf) : undefined)
  return {
    rows: known.current?.value,
    error: missing.find(({ error }) => error !== null)?.error ?? undefined,
    again: () => {
      for (const { refetch } of missing) void refetch()
    },
  }
}

/** Those whose state says so. Where not all subscriptions are listed they are asked for by their states. */
function useUnwell(listed: List<Subscription>, tenant: string | undefined) {
  const reads = unwellStates.map(state =>
    // biome-ignore lint/correctness/useHookAtTopLevel: there are always as many
    useRead(
      'listSubscriptions',
      { query: { state, tenant, limit: idsMax } },
      { enabled: listed.hasMore, everyMs: 5000 },
    ),
  )
  const found = [...listed.rows, ...(listed.hasMore ? reads.flatMap(({ data = [] }) => data) : [])]
  return {
    rows: new Map(found.filter(isUnwell).map(row => [row.id, row])),
    reads: listed.hasMore ? reads : [],
  }
}
