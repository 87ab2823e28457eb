import { Type } from 'typebox'

/** A whole number, or null for the default. */
export const nullableInteger = (minimum: number, maximum: number, description: string) =>
  Type.Unsafe<number | null>({ type: ['integer', 'null'], minimum, maximum, description })
const nullableNumber = (minimum: number, maximum: number, description: string) =>
  Type.Unsafe<number | null>({ type: ['number', 'null'], minimum, maximum, description })

const attemptsMax = 50
const secondsMax = { delay: 604_800, base: 86_400, age: 2_592_000 } as const

const retryFields = {
  max_attempts: nullableInteger(
    1,
    attemptsMax,
    'Attempts in all, the first included. Left out: the default of the service, or as many as use each delay of `schedule_seconds` where that is more',
  ),
  base_seconds: nullableNumber(0, secondsMax.base, 'Delay after the first failed attempt'),
  factor: nullableNumber(1, 10, 'Each further delay is this many times the one before'),
  max_delay_seconds: nullableNumber(1, secondsMax.delay, 'No delay is longer'),
  schedule_seconds: Type.Unsafe<number[] | null>({
    type: ['array', 'null'],
    items: { type: 'number', minimum: 0, maximum: secondsMax.delay },
    minItems: 1,
    maxItems: attemptsMax - 1,
    description:
      'Explicit delays: the first follows attempt 1, the last one is repeated. They replace base, factor and maximum',
  }),
  jitter: nullableNumber(0, 1, 'Up to this share of a delay is added at random'),
  max_age_seconds: nullableInteger(
    1,
    secondsMax.age,
    'No attempt later than this after the event was accepted',
  ),
  terminal_statuses: Type.Unsafe<number[] | null>({
    type: ['array', 'null'],
    items: { type: 'integer', minimum: 300, maximum: 599 },
    maxItems: 50,
    uniqueItems: true,
    'x-sentence': 'Give HTTP statuses from 300 to 599.',
    description: 'Statuses after which there is no further attempt, such as 400; 410 always is one',
  }),
  preset: Type.Unsafe<'default' | 'standard' | null>({
    type: ['string', 'null'],
    enum: ['default', 'standard', null],
    'x-sentence': 'Give "default" or "standard".',
    description:
      'What the other fields start from. `standard`: 10 attempts over 75 hours (0 s, 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h) with jitter. Not stored by name.',
  }),
}

export const RateLimitInput = Type.Unsafe<RateLimitFields | null>({
  type: ['object', 'null'],
  properties: {
    requests: { type: 'integer', minimum: 1, maximum: 100_000 },
    per_seconds: { type: 'integer', minimum: 1, maximum: 86_400 },
  },
  required: ['requests', 'per_seconds'],
  additionalProperties: false,
  description:
    'At most `requests` attempts in `per_seconds` seconds. Deliveries beyond it wait, which spends no attempt',
})

/** A rate limit as sent and stored. */
export interface RateLimitFields {
  requests: number
  per_seconds: number
}

export const RetryInput = Type.Unsafe<RetryFields | null>({
  type: ['object', 'null'],
  properties: retryFields,
  additionalProperties: false,
  description:
    'When a failed delivery is tried again. A field that is left out or null has the default of the service.',
})

/** Each field as sent or stored. Null is the default of the service; for the schedule and the age it is none. */
export interface RetryFields {
  max_attempts?: number | null
  base_seconds?: number | null
  factor?: number | null
  max_delay_seconds?: number | null
  schedule_seconds?: number[] | null
  jitter?: number | null
  max_age_seconds?: number | null
  terminal_statuses?: number[] | null
  preset?: 'default' | 'standard' | null
}
