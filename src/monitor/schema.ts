import { type Static, type TSchema, Type } from 'typebox'
import { type AttemptTrigger, attemptTriggers } from '../model/delivery.ts'
import type { ExchangeDetails, HeaderFields } from '../model/exchange-details.ts'
import { type AttemptStatus, attemptStatuses, type ErrorClass, errorClasses } from '../model/outcome.ts'
import { type VerdictWord, verdictWords } from '../model/verdict.ts'

const time = (description: string) => Type.String({ format: 'date-time', description })
const nullableTime = (description: string) =>
  Type.Unsafe<string | null>({ type: ['string', 'null'], format: 'date-time', description })

export const Attempt = Type.Object(
  {
    id: Type.String({ format: 'uuid' }),
    subscription_id: Type.Integer(),
    webhook_id: Type.String({ format: 'uuid' }),
    timestamp: time('When the attempt ended'),
    attempt: Type.Integer({ description: '1 is the first' }),
    trigger: Type.Unsafe<AttemptTrigger>({
      type: 'string',
      enum: [...attemptTriggers],
      description:
        'Why it was made: `auto` by itself, `replay` in a replay of many, `manual` because someone sent the event again, `test` as a test',
    }),
    status: Type.Unsafe<AttemptStatus>({ type: 'string', enum: [...attemptStatuses] }),
    http_status: Type.Unsafe<number | null>({
      type: ['integer', 'null'],
      description: 'The status that the receiver answered; null: no answer',
    }),
    error: Type.Unsafe<string | null>({ type: ['string', 'null'], maxLength: 200 }),
    error_class: Type.Unsafe<ErrorClass | null>({
      type: ['string', 'null'],
      enum: [...errorClasses, null],
      description: 'The kind of failure: `http` is an answer that is not 2xx; null: it did not fail',
    }),
    hint: Type.Unsafe<string | null>({
      type: ['string', 'null'],
      description: 'What the owner of the receiver can do about it',
    }),
    verdict: Type.Unsafe<VerdictWord>({
      type: 'string',
      enum: [...verdictWords],
      description: 'What followed from the attempt',
    }),
    duration_ms: Type.Unsafe<number | null>({ type: ['integer', 'null'] }),
    next_attempt_at: nullableTime('When the next attempt was due; null after the last one'),
  },
  { $id: 'Attempt', description: 'One request made for a delivery, as it stands in the log' },
)
export type Attempt = Static<typeof Attempt>

const headerFields = (description: string) =>
  Type.Unsafe<HeaderFields>({
    type: 'object',
    additionalProperties: {
      anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }],
    },
    description,
  })
const milliseconds = (description: string) =>
  Type.Unsafe<number | null>({ type: ['number', 'null'], description })

export const RequestMade = Type.Object({
  method: Type.Unsafe<ExchangeDetails['request']['method']>({ type: 'string', enum: ['POST', 'OPTIONS'] }),
  url: Type.String({ description: 'The target_url at that time' }),
  headers: headerFields('As they were sent; possible secrets are `[redacted]`'),
})

export const ResponseSeen = Type.Object({
  status: Type.Integer(),
  headers: headerFields('As they came; cookies are `[redacted]`'),
  body: Type.String({
    description:
      'Its beginning, not decompressed. What it repeats of the headers that it was sent is `[redacted]`, in values of 8 characters or more',
  }),
  body_encoding: Type.Unsafe<'utf-8' | 'base64'>({
    type: 'string',
    enum: ['utf-8', 'base64'],
    description: '`base64` when the body is not valid UTF-8',
  }),
  body_bytes: Type.Integer({ description: 'How much of the body arrived' }),
  body_truncated: Type.Boolean({ description: 'There was more than is shown' }),
})

export const AttemptTimings = Type.Object({
  reused: Type.Boolean({
    description: 'It used the connection of an earlier attempt; then dns, connect and tls are null',
  }),
  repeated: Type.Boolean({
    description:
      'The request was sent twice within this attempt: the receiver had just closed the connection that was kept, so a new one was made at once',
  }),
  dns: milliseconds('To resolve the host name'),
  connect: milliseconds('To open the TCP connection'),
  tls: milliseconds('For the TLS handshake'),
  first_byte: milliseconds('From the start of the attempt to the headers of the answer'),
  total: milliseconds('From the start of the attempt to its end'),
})

const orNull = <Schema extends TSchema>(schema: Schema, description: string) =>
  Type.Union([schema, Type.Null()], { description })

export const AttemptDetails = Type.Object(
  {
    ...Attempt.properties,
    request: orNull(RequestMade, 'Null: not kept (see CAPTURE_RESPONSES), or removed by retention'),
    response: orNull(ResponseSeen, 'Null: there was no answer, or it was not kept'),
    timings_ms: orNull(AttemptTimings, 'Null: not kept'),
    remote_address: Type.Unsafe<string | null>({
      type: ['string', 'null'],
      description: 'The address the connection went to, or the last one that was tried',
    }),
  },
  { $id: 'AttemptDetails', description: 'An attempt with its details' },
)
export type AttemptDetails = Static<typeof AttemptDetails>

export type DeliveryStatus = 'pending' | 'success' | 'failed' | 'cancelled'
const deliveryStatus = (description: string) =>
  Type.Unsafe<DeliveryStatus>({
    type: 'string',
    enum: ['pending', 'success', 'failed', 'cancelled'],
    description,
  })

export const DeliveryReport = Type.Object(
  {
    subscription_id: Type.Integer(),
    status: deliveryStatus('`failed`: given up; `cancelled`: its subscription was deleted'),
    attempts: Type.Array(Attempt, { description: 'Oldest first' }),
    next_attempt_at: nullableTime(
      'When it is tried next, at the earliest: later while others go first. Null when it is settled, while its subscription is paused or disabled, and while it waits behind another one of its key',
    ),
  },
  { $id: 'Delivery', description: 'One event owed to one subscription' },
)
export type DeliveryReport = Static<typeof DeliveryReport>

export const EventStatus = Type.Object(
  {
    webhook_id: Type.String({ format: 'uuid' }),
    tenant: Type.String(),
    event_type: Type.Unsafe<string | null>({ type: ['string', 'null'] }),
    content_type: Type.String(),
    size_bytes: Type.Integer({ description: 'Of the payload' }),
    received_at: time('When it was accepted'),
    status: deliveryStatus('`pending` while any delivery is, else `failed` when any was given up'),
    deliveries: Type.Array(DeliveryReport, { description: 'One for each subscription it went to' }),
  },
  { $id: 'EventStatus', description: 'The state of every delivery of an event' },
)
export type EventStatus = Static<typeof EventStatus>

export const Health = Type.Object(
  {
    status: Type.Unsafe<'ok' | 'unavailable'>({ type: 'string', enum: ['ok', 'unavailable'] }),
    checks: Type.Optional(Type.Record(Type.String(), Type.String())),
  },
  { $id: 'Health', description: 'Whether this process works' },
)
export type Health = Static<typeof Health>

/** The schemas that the OpenAPI document names. */
export const monitorSchemas = [Attempt, AttemptDetails, DeliveryReport, EventStatus, Health]
