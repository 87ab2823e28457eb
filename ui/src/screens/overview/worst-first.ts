import type { ListedDelivery, Subscription, SubscriptionFigures } from '../../api/schema.ts'

/** A subscription that somebody has to look at, and why. */
export interface Trouble {
  readonly figures: SubscriptionFigures
  /** Where its state says so: that, with its reason. */
  readonly unwell: Subscription | undefined
  /** Deliveries that were given up in the window, and neither delivered by a replay nor discarded since. */
  readonly dead: number
}

/** The worst first. */
export const unwellStates = ['disabled', 'circuit_open', 'degraded'] as const
const healthy = unwellStates.length
const severities: ReadonlyMap<string, number> = new Map(unwellStates.map((state, index) => [state, index]))
const severityOf = (subscription: Pick<Subscription, 'state'> | undefined) =>
  severities.get(subscription?.state ?? '') ?? healthy

export function isUnwell(subscription: Pick<Subscription, 'state'>): boolean {
  return severityOf(subscription) < healthy
}

/** How many are dead by subscription, of those whose last attempt is not older. */
export function countDead(
  rows: readonly Pick<ListedDelivery, 'subscription_id' | 'last_attempt_at'>[] | undefined,
  since: number,
): ReadonlyMap<number, number> {
  const counts = new Map<number, number>()
  for (const { subscription_id: id, last_attempt_at: at } of rows ?? [])
    if (at !== null && Date.parse(at) >= since) counts.set(id, (counts.get(id) ?? 0) + 1)
  return counts
}

/**
 * Who is in trouble, each once: figures that were read at different times can have the same subscription, and one that has
 * recovered meanwhile.
 *
 * @param figures the freshest first
 */
export function worstFirst(
  figures: readonly SubscriptionFigures[],
  unwell: ReadonlyMap<number, Subscription>,
  deadOf: ReadonlyMap<number, number>,
): readonly Trouble[] {
  const troubles = new Map<number, Trouble>()
  for (const figure of figures) {
    const id = figure.subscription_id
    if (!troubles.has(id))
      troubles.set(id, { figures: figure, unwell: unwell.get(id), dead: deadOf.get(id) ?? 0 })
  }
  return [...troubles.values()]
    .filter(trouble => trouble.unwell !== undefined || trouble.figures.retrying > 0 || trouble.dead > 0)
    .toSorted(
      (one, other) =>
        severityOf(one.unwell) - severityOf(other.unwell) ||
        other.figures.retrying - one.figures.retrying ||
        other.dead - one.dead ||
        one.figures.subscription_id - other.figures.subscription_id,
    )
}
