import { type Static, Type } from 'typebox'
import { validationFailed } from '../errors.ts'
import { tenantParameter } from '../http/parameters.ts'
import { type Uuid, uuidLowerBound } from '../platform/id.ts'

const time = (description: string) => Type.String({ format: 'date-time', maxLength: 40, description })

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
    since: Type.Optional(time('Only events that were accepted at this time or later')),
    until: Type.Optional(time('Only events that were accepted before this time')),
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
}

/** Sorts above every id that is made within the next thousand years. */
const farMs = 2 ** 45

/** @throws AppError validation_failed for times that are none, or in the wrong order */
export function selectionOf(filter: ReplayFilter): Selection {
  const since = momentOf(filter.since, '/filter/since') ?? 0
  const until = momentOf(filter.until, '/filter/until') ?? farMs
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
  }
}

/** @returns Unix milliseconds @throws AppError validation_failed */
export function momentOf(text: string | undefined, pointer: string): number | undefined {
  if (text === undefined) return undefined
  const at = Date.parse(text)
  if (!Number.isNaN(at) && at >= 0 && at < farMs) return at
  throw validationFailed([
    { pointer, detail: 'Give a time as RFC 3339 has it, such as 2026-01-31T12:00:00Z.' },
  ])
}
