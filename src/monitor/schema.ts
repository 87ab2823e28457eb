import { type Static, Type } from 'typebox'

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
    status: Type.Unsafe<AttemptStatus>({ type: 'string', enum: ['success', 'failed'] }),
    http_status: Type.Unsafe<number | null>({
      type: ['integer', 'null'],
      description: 'What the receiver answered; null: nothing',
    }),
    error: Type.Unsafe<string | null>({ type: ['string', 'null'], maxLength: 200 }),
    verdict: Type.Unsafe<AttemptVerdict>({
      type: 'string',
      enum: ['delivered', 'retry', 'given_up', 'expired', 'cancelled'],
      description: 'What followed from it',
    }),
    duration_ms: Type.Unsafe<number | null>({ type: ['integer', 'null'] }),
    next_attempt_at: nullableTime('When the next attempt was due; null after the last one'),
  },
  { $id: 'Attempt', description: 'One request made for a delivery, as it stands in the log' },
)
export type Attempt = Static<typeof Attempt>
export type AttemptStatus = 'success' | 'failed'
export type AttemptVerdict = 'delivered' | 'retry' | 'given_up' | 'expired' | 'cancelled'

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
    status: deliveryStatus('`failed`: given up'),
    attempts: Type.Array(Attempt, { description: 'Oldest first' }),
    next_attempt_at: nullableTime('When it is tried next; null when it is settled'),
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
export const monitorSchemas = [Attempt, DeliveryReport, EventStatus, Health]
