import { type Static, Type } from 'typebox'
import { lookedAt, retryingMax } from './retrying-store.ts'
import { type WindowName, windowNames } from './steps.ts'

const count = (description: string) => Type.Integer({ minimum: 0, description })
const milliseconds = (description: string) =>
  Type.Unsafe<number | null>({ type: ['integer', 'null'], minimum: 0, description })
const time = (description: string) => Type.String({ format: 'date-time', description })
const nullableTime = (description: string) =>
  Type.Unsafe<string | null>({ type: ['string', 'null'], format: 'date-time', description })
const windowName = (description: string) =>
  Type.Unsafe<WindowName>({ type: 'string', enum: [...windowNames], description })

/** The query parameter that says which window. */
export const windowParameter = Type.Optional(
  Type.Unsafe<WindowName>({
    type: 'string',
    enum: [...windowNames],
    default: '24h',
    description:
      'How long back: `1h` by the minute, `24h` by quarters of an hour, `7d` by the hour, `30d` by days (of UTC, or see `time_zone`)',
  }),
)

/** The query parameter that says where days begin. */
export const timeZoneParameter = Type.Optional(
  Type.String({
    minLength: 1,
    maxLength: 64,
    description:
      'Of `30d`: the time zone by whose midnights days begin, as IANA names it, such as `Europe/Berlin`; unless given it is UTC. Days are made of hours, so there are none of zones that are off by a part of one',
    examples: ['Europe/Berlin'],
  }),
)

const byClass = Type.Unsafe<Readonly<Record<string, number>>>({
  type: 'object',
  additionalProperties: { type: 'integer', minimum: 1 },
  description: 'How many of the failed ones failed in which way: `error_class` of the log',
  examples: [{ timeout: 3, http: 1 }],
})

const counts = {
  success: count('Attempts that were accepted'),
  failed: count('Attempts that failed'),
  given_up: count('Of the failed ones: those after which the delivery was given up'),
  by_class: byClass,
  p50_ms: milliseconds(
    'Half of the attempts, failed ones included, took at most this long; off by 3.2 % at most. Null: there was none',
  ),
  p95_ms: milliseconds('The same of 95 of a hundred attempts'),
  p99_ms: milliseconds('The same of 99 of a hundred attempts'),
}

export const StatsBucket = Type.Object(
  { start: time('When it begins; it lasts until the next one'), ...counts },
  {
    $id: 'StatsBucket',
    description: 'The attempts of one part of the window, by the time at which they were logged',
  },
)
export type StatsBucket = Static<typeof StatsBucket>

export const StatsTotals = Type.Object(
  {
    ...counts,
    success_rate: Type.Unsafe<number | null>({
      type: ['number', 'null'],
      minimum: 0,
      maximum: 1,
      description: 'Accepted attempts of all attempts, rounded down to four digits; null: there was none',
    }),
    last_success_at: nullableTime('The last accepted attempt of the window'),
  },
  { $id: 'StatsTotals', description: 'All attempts of the window together' },
)
export type StatsTotals = Static<typeof StatsTotals>

const ofWindow = {
  window: windowName('As it was asked for'),
  step_seconds: Type.Integer({
    description:
      'How long a bucket is; a day of a `time_zone` on which its clock changes is an hour shorter or longer',
  }),
  complete_until: time(
    'All that was logged before this is counted. It is the time of the answer, or under high load the end of the last minute that is rolled up; buckets that begin later are left out',
  ),
}

const backlog = {
  oldest_due_at: nullableTime('Since when the oldest delivery waits that is due; null: none is'),
  pending: count('Deliveries that wait: for a retry, for their turn, or until the subscription is resumed'),
  pending_exact: Type.Boolean({ description: 'False: `pending` stopped at a bound, or is an estimate' }),
}

export const SubscriptionStats = Type.Object(
  { ...ofWindow, buckets: Type.Array(Type.Ref('StatsBucket')), totals: Type.Ref('StatsTotals'), ...backlog },
  { $id: 'SubscriptionStats', description: 'The attempts to one subscription, and what it is owed' },
)

export const AllStats = Type.Object(
  {
    ...ofWindow,
    buckets: Type.Array(Type.Ref('StatsBucket')),
    totals: Type.Ref('StatsTotals'),
    ...backlog,
    in_flight: Type.Unsafe<number | null>({
      type: ['integer', 'null'],
      minimum: 0,
      description: 'Attempts that run now, of all processes; null in the figures of one tenant',
    }),
    backlog: Type.Unsafe<BacklogBucket[] | null>({
      type: ['array', 'null'],
      items: {
        type: 'object',
        properties: {
          start: { type: 'string', format: 'date-time' },
          pending: {
            type: ['integer', 'null'],
            minimum: 0,
            description: 'The most that waited; null: not known',
          },
          oldest_due_seconds: {
            type: ['integer', 'null'],
            minimum: 0,
            description:
              'For how long the oldest one that was due had waited at most; null: none was, or not known',
          },
        },
        required: ['start', 'pending', 'oldest_due_seconds'],
        additionalProperties: false,
      },
      description:
        'What waited over the window, in the same buckets, from a sample once a minute; null in the figures of one tenant',
    }),
  },
  {
    $id: 'Stats',
    description: 'The attempts to all subscriptions, or to those of one tenant, and what they are owed',
  },
)

export const SubscriptionFigures = Type.Object(
  {
    subscription_id: Type.Integer(),
    uid: Type.Unsafe<string | null>({ type: ['string', 'null'] }),
    tenant: Type.String(),
    target_url: Type.String(),
    state: Type.String({ description: 'As in the subscription' }),
    retrying: count(
      `Deliveries that have failed and wait for their next attempt now, whatever the window; at most ${retryingMax} are counted. Looked at are what is due first and the ${lookedAt.most} that are due last (fewer of each, but at least ${lookedAt.least}, for many subscriptions at once): one between these is not seen`,
    ),
    ...ofWindow,
    buckets: Type.Array(
      Type.Object({ start: time('When it begins'), success: counts.success, failed: counts.failed }),
    ),
    totals: Type.Ref('StatsTotals'),
  },
  { $id: 'SubscriptionFigures', description: 'One of several subscriptions' },
)

interface OfWindow {
  window: WindowName
  step_seconds: number
  complete_until: string
  buckets: StatsBucket[]
  totals: StatsTotals
}

interface Backlog {
  oldest_due_at: string | null
  pending: number
  pending_exact: boolean
}

export type SubscriptionStats = OfWindow & Backlog
export interface BacklogBucket {
  start: string
  pending: number | null
  oldest_due_seconds: number | null
}
export type AllStats = OfWindow & Backlog & { in_flight: number | null; backlog: BacklogBucket[] | null }
export type SubscriptionFigures = Omit<OfWindow, 'buckets'> & {
  subscription_id: number
  uid: string | null
  tenant: string
  target_url: string
  state: string
  retrying: number
  buckets: Pick<StatsBucket, 'start' | 'success' | 'failed'>[]
}

export const statsSchemas = [StatsBucket, StatsTotals, SubscriptionStats, AllStats, SubscriptionFigures]
