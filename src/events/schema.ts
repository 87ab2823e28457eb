import { type Static, Type } from 'typebox'
import type { Uuid } from '../platform/id.ts'

const time = (description: string) => Type.String({ format: 'date-time', description })
const nullableTime = (description: string) =>
  Type.Unsafe<string | null>({ type: ['string', 'null'], format: 'date-time', description })
const nullableText = (description: string) =>
  Type.Unsafe<string | null>({ type: ['string', 'null'], description })
const count = (description: string) => Type.Integer({ minimum: 0, description })

export const eventStates = ['pending', 'success', 'failed', 'cancelled', 'unmatched'] as const
export type EventState = (typeof eventStates)[number]

export const eventState = (description: string) =>
  Type.Unsafe<EventState>({ type: 'string', enum: [...eventStates], description })

export const DeliveryCounts = Type.Object(
  {
    total: count('Subscriptions that it went to'),
    success: count('Accepted by their receivers'),
    failed: count('Given up, or too old'),
    pending: count('Not settled yet'),
    cancelled: count('Ended without an answer: the subscription was deleted, or the payload expunged'),
  },
  { $id: 'DeliveryCounts', description: 'How many deliveries of an event are in which state' },
)
export type DeliveryCounts = Static<typeof DeliveryCounts>

export const EventSummary = Type.Object(
  {
    webhook_id: Type.Unsafe<Uuid>({ type: 'string', format: 'uuid' }),
    event_id: nullableText('The own id that its sender gave it'),
    tenant: Type.String(),
    event_type: nullableText('Null: it has none'),
    channels: Type.Array(Type.String()),
    content_type: Type.String(),
    size_bytes: count('Of the payload, also when that was expunged'),
    created_at: time('When it was accepted'),
    deliver_at: nullableTime('Not sent before then; null: at once'),
    payload_expunged_at: nullableTime('When its payload was removed on request; null: it is there'),
    status: eventState(
      '`pending` while any delivery is, else `failed` when any has failed, else `success` when any has succeeded, else `cancelled`; `unmatched`: no subscription wanted it',
    ),
    deliveries: DeliveryCounts,
  },
  { $id: 'EventSummary', description: 'An event, and what became of it' },
)
export type EventSummary = Static<typeof EventSummary>

/** The schemas that the OpenAPI document names. */
export const eventSchemas = [DeliveryCounts, EventSummary]
