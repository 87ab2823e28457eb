import { Type } from 'typebox'
import { Attempt } from '../monitor/schema.ts'

const time = (description: string) => Type.String({ format: 'date-time', description })
const orNull = (type: string, description: string, more: object = {}) =>
  Type.Unsafe<unknown>({ type: [type, 'null'], description, ...more })
const tenant = orNull('string', 'Whose it is; null: nothing is known of its subscription any more')
const uid = orNull('string', 'The uid of the subscription')

export const StreamAccepted = Type.Object(
  {
    webhook_id: Type.String({ format: 'uuid' }),
    tenant: Type.String(),
    event_type: orNull('string', 'Null: it has none'),
    content_type: Type.String(),
    size_bytes: Type.Integer({ description: 'Of the payload' }),
    accepted_at: time('When it was accepted'),
    deliver_at: orNull('string', 'Not before then; null: at once', { format: 'date-time' }),
    event_id: orNull('string', 'The name that its sender gave it'),
    channels: Type.Array(Type.String()),
    deliveries: Type.Integer({ minimum: 0, description: 'To how many subscriptions it goes' }),
    subscription_ids: Type.Array(Type.Integer(), {
      maxItems: 100,
      description: 'To which; at most 100 of them',
    }),
  },
  { $id: 'StreamAccepted', description: '`event: accepted`: an event was accepted' },
)

export const StreamAttempt = Type.Object(
  { ...Attempt.properties, tenant, subscription_uid: uid, event_type: orNull('string', 'Of the event') },
  { $id: 'StreamAttempt', description: '`event: attempt`: an attempt was logged. Tests are left out' },
)

const states = ['active', 'paused', 'degraded', 'circuit_open', 'disabled']
const state = (description: string) => Type.Unsafe<string>({ type: 'string', enum: states, description })

export const StreamSubscription = Type.Object(
  {
    subscription_id: Type.Integer(),
    subscription_uid: uid,
    tenant,
    state: state('How its receiver does now'),
    state_before: state('And before'),
    paused: Type.Boolean({ description: 'Whether a person has paused it' }),
    paused_before: Type.Boolean(),
    reason: orNull('string', 'In words for people'),
    changed_at: time('When it changed'),
  },
  { $id: 'StreamSubscription', description: '`event: subscription`: the state of a subscription changed' },
)

export const StreamReceived = Type.Object(
  {
    id: Type.String({ format: 'uuid' }),
    test_receiver_id: Type.Integer({ description: 'The test receiver' }),
    tenant: Type.String(),
    at: time('When it came'),
    method: Type.String(),
    body_bytes: Type.Integer({ description: 'Of the body' }),
    webhook_id: orNull('string', 'As its header says'),
    subscription_id: orNull('integer', 'Whose signature it has'),
    signature: Type.Unsafe<string>({ type: 'string', enum: ['valid', 'invalid', 'unchecked'] }),
    signature_detail: orNull('string', 'What is wrong with it, in words'),
    status: orNull('integer', 'What it was answered; null: the connection was closed'),
  },
  { $id: 'StreamReceived', description: '`event: received`: a test receiver got a request' },
)

export const StreamGap = Type.Object(
  {
    dropped: orNull('integer', 'How many were left out here; null: it is not known', { minimum: 1 }),
    reason: Type.Unsafe<string>({
      type: 'string',
      enum: ['slow_reader', 'retention'],
      description:
        '`slow_reader`: this client has read too slowly; to get them, connect again with the last `id` before the gap. `retention`: what came after the id that was given is not kept any more',
    }),
  },
  { $id: 'StreamGap', description: '`event: gap`: something is missing here' },
)

/** The schemas that the OpenAPI document names. */
export const liveSchemas = [StreamAccepted, StreamAttempt, StreamSubscription, StreamReceived, StreamGap]
