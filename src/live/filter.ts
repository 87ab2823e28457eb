import type { Reach } from '../model/caller.ts'
import type { LiveItem, LiveKind } from '../model/live-source.ts'
import type { AttemptStatus } from '../model/outcome.ts'
import { fitsPattern, isPattern, segmentsOf } from '../subscriptions/event-type-pattern.ts'

/** What a stream is of. */
export interface StreamFilter {
  readonly reach: Reach
  readonly kinds: readonly LiveKind[]
  readonly subscriptionId: number | undefined
  /** An event type, or a pattern as subscriptions have it. */
  readonly eventType: string | undefined
  readonly status: AttemptStatus | undefined
}

/** Whether something belongs into a stream. */
export type Wants = (item: LiveItem) => boolean

/** Readers with the same key want the same. */
export function keyOf({ reach, kinds, subscriptionId, eventType, status }: StreamFilter): string {
  return JSON.stringify([reach.tenant, kinds.toSorted(), subscriptionId, eventType, status])
}

export function wants({ reach, kinds, subscriptionId, eventType, status }: StreamFilter): Wants {
  const fitsType = typeMatcher(eventType)
  return item =>
    (reach.tenant === null || reach.tenant === item.tenant) &&
    kinds.includes(item.kind) &&
    (subscriptionId === undefined || item.subscriptionIds.includes(subscriptionId)) &&
    (status === undefined || item.status === status) &&
    fitsType(item.eventType)
}

function typeMatcher(wanted: string | undefined): (eventType: string | null) => boolean {
  if (wanted === undefined) return () => true
  if (!isPattern(wanted)) return eventType => eventType === wanted
  const pattern = segmentsOf(wanted)
  return eventType => eventType !== null && fitsPattern(pattern, segmentsOf(eventType))
}
