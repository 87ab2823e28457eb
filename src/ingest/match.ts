import type { Subscription } from '../subscriptions/subscription.ts'

/** Whether a subscription wants events of this type. One that lists no types wants all, also those without a type. */
export function wants(subscription: Subscription, eventType: string | null): boolean {
  if (subscription.eventTypes === null) return true
  return eventType !== null && subscription.eventTypes.has(eventType)
}
