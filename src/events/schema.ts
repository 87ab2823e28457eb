import { type Static, Type } from 'typebox'
import { Attempt, type DeliveryStatus } from '../monitor/schema.ts'
import type { Uuid } from '../platform/id.ts'

const time = (description: string) => Type.String({ format: 'date-time', description })
const nullableTime = (description: string) =>
  Type.Unsafe<string | null>({ type: ['string', 'null'], format: 'date-time', description })
const nullableText = (description: string) =>
  Type.Unsafe<string | null>({ type: ['string', 'null'], description })
const count = (description: string) => Type.Integer({ minimum: 0, description })

export const eventStates = ['pending', 'success', 'failed', 'cancelled', 'unmatched'] as const
export type EventState = (typeof eventStates)[number]

/** Why an event did not go to a subscription. */
export const unmatchedReasons = [
  'event_type',
  'channel',
  'filter',
  'disabled',
  'created_later',
  'changed_since',
  'not_addressed',
] as const
export type UnmatchedReason = (typeof unmatchedReasons)[number]

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

const { deliveries: delivery_counts, ...summary } = EventSummary.properties

export const DeliveryDetails = Type.Object(
  {
    subscription_id: Type.Integer(),
    uid: nullableText('The name that its owner gave the subscription'),
    status: Type.Unsafe<DeliveryStatus>({
      type: 'string',
      enum: ['pending', 'success', 'failed', 'cancelled'],
      description: '`failed`: given up; `cancelled`: its subscription was deleted, or the payload expunged',
    }),
    next_attempt_at: nullableTime(
      'When it is tried next, at the earliest. Null when it is settled, while its subscription is paused or disabled, and while it waits behind another one of its key',
    ),
    trigger: Type.Unsafe<string>({
      type: 'string',
      enum: ['auto', 'replay', 'manual', 'test'],
      description: 'Why it is being tried; of a settled one, why it was tried last',
    }),
    attempts: Type.Array(Attempt, {
      description: 'The newest 10, oldest of them first; all are in `/logs/{subscription_id}?webhook_id=…`',
    }),
  },
  { $id: 'DeliveryDetails', description: 'What became of an event for one subscription' },
)
export type DeliveryDetails = Static<typeof DeliveryDetails>

export const UnmatchedSubscription = Type.Object(
  {
    subscription_id: Type.Integer(),
    uid: nullableText('The name that its owner gave the subscription'),
    reason: Type.Unsafe<UnmatchedReason>({
      type: 'string',
      enum: [...unmatchedReasons],
      description:
        '`changed_since`: it was changed after the event, so what its rules were is not known; `not_addressed`: its rules fit, but the event was sent to another subscription only',
    }),
    detail: Type.String({ description: 'The same as a sentence' }),
    pointer: Type.Optional(
      Type.String({
        description: 'Of `filter`: where the clause stands that does not hold, as a JSON Pointer',
      }),
    ),
    clause: Type.Optional(Type.String({ description: 'Of `filter`: that clause' })),
    value: Type.Optional(
      Type.Unknown({ description: 'Of `filter`: what the event has there; absent: it has nothing' }),
    ),
    holds: Type.Optional(Type.Boolean({ description: 'Of `filter`: always false' })),
  },
  { $id: 'UnmatchedSubscription', description: 'Why an event did not go to a subscription' },
)
export type UnmatchedSubscription = Static<typeof UnmatchedSubscription>

export const EventDetails = Type.Object(
  {
    ...summary,
    delivery_counts,
    deliveries: Type.Array(DeliveryDetails, {
      description: 'In the order of subscription ids, at most `limit` of them',
    }),
    deliveries_next_cursor: nullableText('`cursor` of the next deliveries; null: these were the last'),
    unmatched: Type.Array(UnmatchedSubscription, {
      description:
        'The other subscriptions that the tenant has, in the order of their ids, at most `unmatched_limit` of them',
    }),
    unmatched_next_cursor: nullableText('`unmatched_cursor` of the next ones; null: these were the last'),
  },
  { $id: 'EventDetails', description: 'An event, who got it, and why others did not' },
)
export type EventDetails = Static<typeof EventDetails>

/** The schemas that the OpenAPI document names. */
export const Expunge = Type.Object(
  {
    id: Type.String({ format: 'uuid' }),
    tenant: Type.Unsafe<string | null>({
      type: ['string', 'null'],
      description: 'Whose events; null: of all tenants',
    }),
    before: Type.String({ format: 'date-time', description: 'Events that were accepted before then' }),
    state: Type.Unsafe<'running' | 'done'>({ type: 'string', enum: ['running', 'done'] }),
    events: Type.Integer({ minimum: 0, description: 'Whose payload is gone now' }),
    deliveries: Type.Integer({
      minimum: 0,
      description: 'That were still owed, and have ended as cancelled',
    }),
    created_at: Type.String({ format: 'date-time' }),
    finished_at: Type.Unsafe<string | null>({ type: ['string', 'null'], format: 'date-time' }),
  },
  { $id: 'Expunge', description: 'The removal of what all events before a moment hold' },
)

export const eventSchemas = [
  Expunge,
  DeliveryCounts,
  EventSummary,
  DeliveryDetails,
  UnmatchedSubscription,
  EventDetails,
]
