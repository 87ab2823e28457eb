import { EventFields, type FilterInput } from '../filters/event-fields.ts'
import { decidingReason, explainFilter, type Reason } from '../filters/explain.ts'
import { everyType, fitsPattern, segmentsOf } from './event-type-pattern.ts'
import type { Subscription } from './subscription.ts'

/** An event that is held against subscriptions. */
export interface EventToMatch {
  readonly tenant: string
  /** Null: it has none. */
  readonly eventType: string | null
  readonly channels: readonly string[]
  /** As it came. It is parsed only where a filter asks for it. */
  readonly payload: Buffer
  /** By their names in lower case. */
  readonly headers: FilterInput['headers']
  readonly metadata: FilterInput['metadata']
}

/** Why an event does not match a subscription of its tenant. */
export type Unmatched =
  | { readonly reason: 'event_type' | 'channel' | 'disabled'; readonly detail: string }
  | ({ readonly reason: 'filter'; readonly detail: string } & Reason)

/** Whether the type of an event is one that a subscription wants. One that lists none wants all, also without a type. */
export function wantsType(
  { eventTypes, eventTypePatterns }: Subscription,
  eventType: string | null,
): boolean {
  if (eventTypes === null || eventTypes.has(everyType)) return true
  if (eventType === null) return false
  if (eventTypes.has(eventType)) return true
  if (eventTypePatterns.length === 0) return false
  const segments = segmentsOf(eventType)
  return eventTypePatterns.some(pattern => fitsPattern(pattern, segments))
}

/** Whether an event has one of the channels that a subscription wants. One that lists none wants all. */
export function wantsChannels({ channels: wanted }: Subscription, channels: readonly string[]): boolean {
  return wanted === null || channels.some(channel => wanted.has(channel))
}

/** Whether a subscription wants an event: by its type, then its channels, then the filter. Its state does not matter. */
export function wants(subscription: Subscription, event: EventToMatch): boolean {
  return (
    wantsType(subscription, event.eventType) &&
    wantsChannels(subscription, event.channels) &&
    (subscription.filter === null || subscription.filter.matches(new EventFields(event)))
  )
}

/**
 * Why an event that is published does not go to a subscription of its tenant; undefined: it does. One that is paused gets it
 * when it is resumed; one that is disabled does not match.
 *
 * @param fields of the event, where several subscriptions are asked about: then its payload is parsed once
 */
export function whyUnmatched(
  subscription: Subscription,
  event: EventToMatch,
  fields: FilterInput = new EventFields(event),
): Unmatched | undefined {
  const { eventTypes, channels, filter } = subscription
  if (!wantsType(subscription, event.eventType)) {
    const given =
      event.eventType === null ? 'The event has no type' : `The type of the event is ${event.eventType}`
    return { reason: 'event_type', detail: `${given}; the subscription wants ${listed(eventTypes)}.` }
  }
  if (!wantsChannels(subscription, event.channels)) {
    const given = event.channels.length === 0 ? 'no channels' : `the channels ${listed(event.channels)}`
    return {
      reason: 'channel',
      detail: `The event has ${given}; the subscription wants one of ${listed(channels)}.`,
    }
  }
  if (filter !== null && !filter.matches(fields)) return whyFiltered(filter, fields)
  if (subscription.disabled)
    return {
      reason: 'disabled',
      detail: 'The subscription is disabled. Resume it, then send the event again.',
    }
  return undefined
}

function whyFiltered(filter: NonNullable<Subscription['filter']>, fields: FilterInput): Unmatched {
  const failed = decidingReason(explainFilter(filter, fields))
  if (failed === undefined) throw new Error('a filter did not match, though each of its clauses holds')
  return {
    reason: 'filter',
    detail: `${failed.pointer} of the filter does not hold: ${failed.clause}.`,
    ...failed,
  }
}

function listed(names: Iterable<string> | null): string {
  const all = [...(names ?? [])]
  const shown = all.slice(0, 10).join(', ')
  return all.length > 10 ? `${shown} and ${all.length - 10} more` : shown
}
