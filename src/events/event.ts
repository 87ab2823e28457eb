import type { Reach } from '../model/caller.ts'
import { loggedFrom } from '../model/logged-from.ts'
import { type AttemptRow, attemptOf, type LogReader, statusAfter } from '../monitor/monitor.ts'
import type { Uuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'
import { summariesOf } from './counts.ts'
import {
  type OwedDelivery,
  type RankedAttempt,
  readAttemptsOf,
  readOwedTo,
  readUids,
  readWholeEvent,
  type WholeEventRow,
} from './event-store.ts'
import type { DeliveryDetails, EventDetails } from './schema.ts'
import { type WhyNotDeps, whyNot } from './why-not.ts'

export type EventReader = WhyNotDeps & LogReader

/** A part of a list that is in the order of subscription ids. */
export interface Part {
  /** The id that the part before ended with; 0 for the first one. */
  readonly after: number
  readonly limit: number
}

/** An event, with the ids that the next parts of its lists begin above; undefined: there are no more. */
export interface EventFound {
  readonly event: Omit<EventDetails, 'deliveries_next_cursor' | 'unmatched_next_cursor'>
  readonly deliveriesEnd: number | undefined
  readonly unmatchedEnd: number | undefined
}

/** Of each delivery as many attempts are shown, the newest; the others are in the log of its subscription. */
export const attemptsShown = 10

/** Attempts of an event that are looked at, the newest of them. */
const attemptsLooked = 100_000

/**
 * An event, what became of each of its deliveries, and why it did not go to the others; undefined when there is no such
 * event, it was removed by retention, or it is another tenant's.
 */
export async function readEventDetails(
  deps: EventReader,
  reach: Reach,
  webhookId: Uuid,
  deliveries: Part,
  unmatched: Part,
): Promise<EventFound | undefined> {
  const found = await deps.database.snapshot(async tx => {
    const row = await readWholeEvent(tx, reach.tenant, webhookId)
    if (row === undefined) return undefined
    const [summary] = await summariesOf(tx, [row])
    if (summary === undefined) throw new Error('an event has no summary')
    return { row, summary, of: await readDeliveries(tx, deps, row, deliveries) }
  })
  if (found === undefined) return undefined
  const { row, of } = found
  const { deliveries: counts, ...event } = found.summary
  const others = await whyNot(deps, row, unmatched.after, unmatched.limit)
  return {
    event: {
      ...event,
      delivery_counts: counts,
      deliveries: of.deliveries,
      unmatched: [...others.unmatched],
    },
    deliveriesEnd: of.end,
    unmatchedEnd: others.end,
  }
}

/** @param tx a snapshot, so that no delivery is settled between what is owed and what is logged */
async function readDeliveries(
  tx: Queryable,
  { hint }: Pick<EventReader, 'hint'>,
  event: WholeEventRow,
  { after, limit }: Part,
): Promise<{ readonly deliveries: DeliveryDetails[]; readonly end: number | undefined }> {
  const rest = event.subscription_ids.filter(id => id > after).toSorted((one, other) => one - other)
  const ids = rest.slice(0, limit)
  if (ids.length === 0) return { deliveries: [], end: undefined }
  const { webhook_id: id } = event
  const owed = new Map((await readOwedTo(tx, id, ids)).map(row => [row.subscription_id, row]))
  const attempts = await readAttemptsOf(tx, id, loggedFrom(id), ids, attemptsShown, attemptsLooked)
  const uids = await readUids(tx, ids)
  const logged = Map.groupBy(attempts, attempt => attempt.subscription_id)
  const deliveries = ids.flatMap(subscriptionId => {
    const [pending, ofIt] = [owed.get(subscriptionId), logged.get(subscriptionId) ?? []]
    // The log of a carried event lacks what was settled before its partition was dropped.
    if (event.carried && pending === undefined && ofIt.length === 0) return []
    const shown = ofIt.filter(({ place }) => place <= attemptsShown)
    return {
      subscription_id: subscriptionId,
      uid: uids.get(subscriptionId) ?? null,
      ...stateOf(pending, ofIt),
      attempts: shown.toReversed().map((row: AttemptRow) => attemptOf(row, hint)),
    }
  })
  return { deliveries, end: rest.length > limit ? ids.at(-1) : undefined }
}

function stateOf(
  pending: OwedDelivery | undefined,
  attempts: readonly RankedAttempt[],
): Pick<DeliveryDetails, 'status' | 'next_attempt_at' | 'trigger'> {
  const verdict = attempts.find(row => row.verdict !== 'retry')?.verdict
  const isOver = pending === undefined
  return {
    status: !isOver
      ? pending.is_ending
        ? 'cancelled'
        : 'pending'
      : statusAfter(verdict === 'retry' ? undefined : verdict),
    next_attempt_at: pending?.due_at?.toISOString() ?? null,
    trigger: (isOver ? attempts[0]?.trigger : pending.trigger) ?? 'auto',
  }
}
