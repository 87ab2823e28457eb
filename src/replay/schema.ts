import { type Static, Type } from 'typebox'
import { type AttemptTrigger, attemptTriggers } from '../model/delivery.ts'
import { type ErrorClass, errorClasses } from '../model/outcome.ts'
import { type DeliveryState, deliveryStates } from './deliveries.ts'
import { ReplayFilter } from './filter.ts'
import { besideFresh, quietMs, quietPerSecond } from './pace.ts'

const count = (description: string) => Type.Integer({ minimum: 0, description })
const nullableTime = (description: string) =>
  Type.Unsafe<string | null>({ type: ['string', 'null'], format: 'date-time', description })

export const ReplayCreate = Type.Object(
  {
    filter: ReplayFilter,
    rate_per_second: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 100_000,
        description: `How many are queued per second at most; never more than receivers take. Left out: while fresh events come half as many as come, so that they are not late for it (${besideFresh.least} at least, ${besideFresh.most} at most), and up to ${quietPerSecond} once there were none for ${quietMs / 1000} s`,
      }),
    ),
    dry_run: Type.Optional(Type.Boolean({ description: 'Only counts, and makes nothing' })),
  },
  {
    $id: 'ReplayCreate',
    additionalProperties: false,
    description: 'What is to be sent again',
    examples: [{ filter: { subscription_id: 1, state: 'failed', since: '2026-01-01T00:00:00Z' } }],
  },
)

export const Replay = Type.Object(
  {
    id: Type.String({ format: 'uuid' }),
    state: Type.Unsafe<'counting' | 'running' | 'done' | 'cancelled'>({
      type: 'string',
      enum: ['counting', 'running', 'done', 'cancelled'],
    }),
    total: Type.Unsafe<number | null>({
      type: ['integer', 'null'],
      description: 'Deliveries that matched; null: they are not counted yet',
    }),
    queued: count('Of these, owed again so far'),
    delivered: count('Of the queued ones, delivered'),
    failed: count('Of the queued ones, given up again, or ended otherwise'),
    skipped: count(
      'Matched, and were not queued: they were owed already, so that they come anyway, or their subscription was deleted',
    ),
    gone: count(
      'Counted at first, and no more there when their turn came: retention took the event, its payload was removed, or the delivery has ended in another way since. Known at the end',
    ),
    rate_per_second: Type.Unsafe<number | null>({
      type: ['integer', 'null'],
      description: 'As it was given; null: it depends on whether fresh events come',
    }),
    created_at: Type.String({ format: 'date-time' }),
    finished_at: nullableTime('When it ended; what was queued by a cancelled one may still be under way'),
    filter: ReplayFilter,
  },
  { $id: 'Replay', description: 'Many deliveries that are sent again in the background' },
)
/** What `POST /events/{webhook_id}/replay` takes. */
export const EventReplay = Type.Object(
  {
    subscription_ids: Type.Optional(
      Type.Array(Type.Integer({ minimum: 1, maximum: 2_147_483_647 }), {
        minItems: 1,
        maxItems: 10_000,
        uniqueItems: true,
        description: 'Only to these; left out: to all that the event was for',
      }),
    ),
  },
  {
    $id: 'EventReplay',
    additionalProperties: false,
    description: 'To whom an event is sent again',
    examples: [{}],
  },
)

/** What `POST /events/{webhook_id}/try-now` takes. */
export const EventTryNow = Type.Object(
  {
    subscription_ids: Type.Optional(
      Type.Array(Type.Integer({ minimum: 1, maximum: 2_147_483_647 }), {
        minItems: 1,
        maxItems: 10_000,
        uniqueItems: true,
        description:
          'Only those to these, and none when one of them cannot be tried; left out: all that can be',
      }),
    ),
  },
  {
    $id: 'EventTryNow',
    additionalProperties: false,
    description: 'Which deliveries of an event are tried at once',
    examples: [{}],
  },
)

export const Delivery = Type.Object(
  {
    webhook_id: Type.String({ format: 'uuid' }),
    subscription_id: Type.Integer(),
    uid: Type.Unsafe<string | null>({ type: ['string', 'null'] }),
    tenant: Type.String(),
    state: Type.Unsafe<DeliveryState>({ type: 'string', enum: [...deliveryStates] }),
    attempts: Type.Integer({ minimum: 0, description: 'The number of its last attempt; 0: none yet' }),
    trigger: Type.Unsafe<AttemptTrigger | null>({
      type: ['string', 'null'],
      enum: [...attemptTriggers, null],
      description: 'Of the last attempt',
    }),
    last_attempt_at: nullableTime('When the last attempt ended'),
    next_attempt_at: nullableTime(
      'Not before then; null: nothing is planned, or it waits behind another one of its key',
    ),
    ordering_key: Type.Unsafe<string | null>({
      type: ['string', 'null'],
      description:
        'Of what is owed, and goes one at a time with others of the same key; null: it is in no order',
    }),
    http_status: Type.Unsafe<number | null>({ type: ['integer', 'null'] }),
    error: Type.Unsafe<string | null>({ type: ['string', 'null'] }),
    error_class: Type.Unsafe<ErrorClass | null>({
      type: ['string', 'null'],
      enum: [...errorClasses, null],
    }),
  },
  { $id: 'ListedDelivery', description: 'One event that is, or was, owed to one subscription' },
)
export type DeliveryAnswer = Static<typeof Delivery>

export type ReplayAnswer = Static<typeof Replay>
