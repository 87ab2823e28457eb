import { EventFields } from '../filters/event-fields.ts'
import { uuidTime } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'
import { type EventToMatch, whyUnmatched } from '../subscriptions/matching.ts'
import type { Subscription } from '../subscriptions/subscription.ts'
import type { Subscriptions } from '../subscriptions/subscriptions.ts'
import {
  readPayload,
  readSubscriptionTimes,
  type SubscriptionTimes,
  type WholeEventRow,
} from './event-store.ts'
import type { UnmatchedSubscription } from './schema.ts'

export interface WhyNotDeps {
  readonly database: Queryable
  readonly subscriptions: Pick<Subscriptions, 'get'>
}

export interface UnmatchedPage {
  readonly unmatched: readonly UnmatchedSubscription[]
  /** The id of the last subscription that was looked at; undefined: there are no more. */
  readonly end: number | undefined
}

/** Subscriptions that one request looks at, whatever their tenant has. */
const lookedMax = 1000

/**
 * Why an event did not go to the other subscriptions of its tenant, in the order of their ids. It tells what was from what
 * is: of a subscription that was made or changed since, it says only that.
 *
 * @param after the id of the last subscription of the page before
 */
export async function whyNot(
  deps: WhyNotDeps,
  event: WholeEventRow,
  after: number,
  limit: number,
): Promise<UnmatchedPage> {
  const rows = await readSubscriptionTimes(deps.database, event.tenant, after, lookedMax)
  const got = new Set(event.subscription_ids)
  const others = rows.filter(({ id }) => !got.has(id))
  const page = others.slice(0, limit)
  const explain = await explainer(deps, event, page)
  const isAll = page.length === others.length
  return {
    unmatched: page.map(row => ({ subscription_id: row.id, uid: row.uid, ...explain(row) })),
    end: !isAll ? page.at(-1)?.id : rows.length === lookedMax ? rows.at(-1)?.id : undefined,
  }
}

type Why = Omit<UnmatchedSubscription, 'subscription_id' | 'uid'>

/** Reads the payload only where one of these subscriptions has a filter. */
async function explainer(
  { database, subscriptions }: WhyNotDeps,
  event: WholeEventRow,
  page: readonly SubscriptionTimes[],
): Promise<(row: SubscriptionTimes) => Why> {
  const at = uuidTime(event.webhook_id)
  const opened = new Map(page.map(({ id }) => [id, subscriptions.get(id)]))
  const hasFilter = [...opened.values()].some(one => one !== undefined && one.filter !== null)
  const stored = hasFilter ? await readPayload(database, event.tenant, event.webhook_id) : undefined
  const toMatch = asMatched(event, stored?.payload ?? Buffer.alloc(0))
  const fields = new EventFields(toMatch)
  const isExpunged = stored?.is_expunged ?? false
  return row => {
    if (row.created_at.getTime() > at) {
      return {
        reason: 'created_later',
        detail: `It was made at ${row.created_at.toISOString()}, after the event.`,
      }
    }
    const subscription = opened.get(row.id)
    const now = subscription && asItIs(subscription)
    if (row.updated_at.getTime() > at || subscription === undefined) {
      const fits =
        now === undefined ? 'As they are, they fit.' : `As they are, they do not fit: ${now.detail}`
      const detail = `It was changed at ${row.updated_at.toISOString()}, after the event, so its rules of then are not known.`
      return { reason: 'changed_since', detail: subscription === undefined ? detail : `${detail} ${fits}` }
    }
    const isOfNow = now === undefined || now.reason === 'disabled'
    if (isOfNow && row.state_since.getTime() > at) {
      const since = row.state_since.toISOString()
      return {
        reason: 'changed_since',
        detail: `Its state changed at ${since}, after the event. Its rules fit.`,
      }
    }
    return now ?? (event.metadata?.system ? notNamed : notAddressed)
  }

  function asItIs(subscription: Subscription): Why | undefined {
    if (!isExpunged || subscription.filter === null) return whyUnmatched(subscription, toMatch, fields)
    const besides = whyUnmatched({ ...subscription, filter: null }, toMatch, fields)
    if (besides !== undefined && besides.reason !== 'disabled') return besides
    return {
      reason: 'filter',
      detail: 'The payload was expunged, so what the filter says of it is not known.',
    }
  }
}

const notAddressed: Why = {
  reason: 'not_addressed',
  detail:
    'Its rules fit the event. The event was sent to another subscription only (`POST /ingest/{id}`, or `to`); ' +
    'or this one was made or changed a moment before, and the process that took the event had not heard of it yet.',
}

const notNamed: Why = {
  reason: 'event_type',
  detail:
    'It is an event of the service about itself, which goes only to subscriptions that name its type in event_types, and ' +
    'never to the one that it is about.',
}

/** As it was published: with the headers that are stored with it. */
function asMatched(event: WholeEventRow, payload: Buffer): EventToMatch {
  const { tenant, event_type: eventType, channels, metadata } = event
  return {
    ...{ tenant, eventType, payload, channels: channels ?? [], metadata: metadata?.given ?? {} },
    headers: {
      ...metadata?.forwarded,
      'content-type': event.content_type,
      ...(metadata?.content_encoding !== undefined && { 'content-encoding': metadata.content_encoding }),
      ...(eventType !== null && { 'x-event-type': eventType }),
    },
  }
}
