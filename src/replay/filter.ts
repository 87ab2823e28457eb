import { type Static, Type } from 'typebox'
import { validationFailed } from '../errors.ts'
import { parseTime, tenantParameter, timeParameter } from '../http/parameters.ts'
import { type Uuid, uuidLowerBound } from '../platform/id.ts'

/** Which deliveries a replay is of, as a caller writes it. */
export const ReplayFilter = Type.Object(
  {
    subscription_id: Type.Optional(Type.Integer({ minimum: 1, maximum: 2_147_483_647 })),
    tenant: Type.Optional(tenantParameter),
    event_type: Type.Optional(
      Type.String({ minLength: 1, maxLength: 128, description: 'Only events of exactly this type' }),
    ),
    state: Type.Optional(
      Type.Unsafe<ReplayState>({
        type: 'string',
        enum: ['failed', 'success', 'any'],
        default: 'failed',
        description:
          '`failed`: dead letters; `success`: what was delivered; `any`: both, and what was cancelled. What is still owed is never replayed',
      }),
    ),
    since: Type.Optional(timeParameter('Only events that were accepted at this time or later')),
    until: Type.Optional(timeParameter('Only events that were accepted before this time')),
  },
  { additionalProperties: false, description: 'Which deliveries: those that all fields allow' },
)
export type ReplayFilter = Static<typeof ReplayFilter>

export type ReplayState = 'failed' | 'success' | 'any'

/** The same, as statements take it. */
export interface Selection {
  readonly tenant: string | null
  readonly subscriptionId: number | null
  readonly eventType: string | null
  readonly state: ReplayState
  /** Ids of events from this one on, and below that one. */
  readonly from: Uuid
  readonly below: Uuid
  /** Events with smaller ids may be gone at any time, but for those that were scheduled for later than the time in this id. */
  readonly kept: Uuid
}

/** Sorts above every id that is made within the next thousand years. */
const farMs = 2 ** 45

/**
 * The filter of a replay that is made at this moment: events that are accepted later are not in it.
 *
 * @param pointer where the caller has said `since`
 * @throws AppError validation_failed for a `since` that is no time, or is still to come
 */
export function frozenAt(filter: ReplayFilter, now: number, pointer = '/filter/since'): ReplayFilter {
  if (filter.until !== undefined) return filter
  if (filter.since !== undefined && parseTime(filter.since, pointer) >= now)
    throw validationFailed([
      { pointer, detail: 'Give a time that is over. Nothing was accepted since then.' },
    ])
  return { ...filter, until: new Date(now).toISOString() }
}

/** @throws AppError validation_failed for times that are none, or in the wrong order */
export function selectionOf(filter: ReplayFilter): Selection {
  const since = filter.since === undefined ? 0 : parseTime(filter.since, '/filter/since')
  const until = filter.until === undefined ? farMs : parseTime(filter.until, '/filter/until')
  if (since >= until) {
    throw validationFailed([{ pointer: '/filter/until', detail: 'Give a time after since.' }])
  }
  return {
    tenant: filter.tenant ?? null,
    subscriptionId: filter.subscription_id ?? null,
    eventType: filter.event_type ?? null,
    state: filter.state ?? 'failed',
    from: uuidLowerBound(since),
    below: uuidLowerBound(until),
    kept: uuidLowerBound(0),
  }
}
