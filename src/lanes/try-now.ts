import type { Uuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'
import { lockOwedTo, makeDueNow, type OwedNow } from './try-now-store.ts'

/** Why a delivery cannot be tried now. Times are Unix milliseconds. */
export type Obstacle =
  /** It was delivered, given up or cancelled, or its subscription was deleted. */
  | { readonly kind: 'not_owed' }
  | { readonly kind: 'paused' }
  | { readonly kind: 'disabled' }
  | { readonly kind: 'circuit_open'; readonly until: number | null }
  /** The first of an ordered subscription waits for its retry, and everything behind it. */
  | { readonly kind: 'ordered'; readonly until: number }
  /** The receiver wants nothing before then, or what is needed to send is missing. */
  | { readonly kind: 'closed'; readonly until: number }
  /** It goes after another one with the same key. */
  | { readonly kind: 'behind_key' }
  /** It is the first attempt, which was asked for at this time. */
  | { readonly kind: 'scheduled'; readonly at: number }

/** What came of the wish to try deliveries now. */
export interface TriedNow {
  /** How many are due now that were not. Those that were due already, or are being sent, are not counted. */
  readonly count: number
  /** Those that cannot be tried, by their subscriptions. */
  readonly obstacles: ReadonlyMap<number, Obstacle>
}

/**
 * Makes the next attempt of deliveries of an event due at once; it is the attempt that would have come later, so it counts
 * as one of those that the retry policy allows. What waits for another reason than its retry is left as it is.
 *
 * @param isAllOrNothing nothing is changed where one cannot be tried
 */
export async function tryNow(
  tx: Queryable,
  webhookId: Uuid,
  subscriptionIds: readonly number[],
  isAllOrNothing: boolean,
): Promise<TriedNow> {
  const owed = new Map(
    (await lockOwedTo(tx, webhookId, subscriptionIds)).map(row => [row.subscriptionId, row]),
  )
  const obstacles = new Map<number, Obstacle>()
  for (const id of subscriptionIds) {
    const obstacle = obstacleOf(owed.get(id))
    if (obstacle) obstacles.set(id, obstacle)
  }
  if (isAllOrNothing && obstacles.size > 0) return { count: 0, obstacles }
  const ready = subscriptionIds.filter(id => !obstacles.has(id) && owed.get(id)?.waits)
  return { count: ready.length === 0 ? 0 : await makeDueNow(tx, webhookId, ready), obstacles }
}

function obstacleOf(row: OwedNow | undefined): Obstacle | undefined {
  if (row === undefined || row.state === null) return { kind: 'not_owed' }
  const { state, closedUntil } = row
  if (row.paused) return { kind: 'paused' }
  if (state === 'disabled') return { kind: 'disabled' }
  if (state === 'circuit_open') return { kind: 'circuit_open', until: closedUntil }
  if (closedUntil !== null) return { kind: row.ordered ? 'ordered' : 'closed', until: closedUntil }
  if (row.isParked) return { kind: 'behind_key' }
  return row.waits && row.isFirst ? { kind: 'scheduled', at: row.dueAt } : undefined
}
