import { type Static, Type } from 'typebox'
import { sentenceKey } from '../http/validation.ts'
import { type ErrorClass, errorClasses } from '../model/outcome.ts'
import { AttemptTimings, RequestMade, ResponseSeen } from '../monitor/schema.ts'
import { SubscriptionCreate } from '../subscriptions/schema.ts'

const sample = {
  event_type: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 128,
      pattern: '^[\\x21-\\x7e]*$',
      [sentenceKey]: 'Give 1 to 128 visible ASCII characters without spaces.',
      description: 'Left out: the first exact type that the subscription wants, else `webhook.test`',
      examples: ['order.paid'],
    }),
  ),
  payload: Type.Optional(
    Type.Unknown({
      description:
        'Sent as JSON. Left out: the first example of the event type in the catalogue, else a sample that says that it is a test',
      examples: [{ order: 7, total: 99 }],
    }),
  ),
}

export const SubscriptionTest = Type.Object(sample, {
  $id: 'SubscriptionTest',
  additionalProperties: false,
  description: 'What to send',
  examples: [{ event_type: 'order.paid', payload: { order: 7, total: 99 } }],
})
export type SubscriptionTest = Static<typeof SubscriptionTest>

export const DraftTest = Type.Object(
  { ...SubscriptionCreate.properties, ...sample },
  {
    $id: 'DraftTest',
    additionalProperties: false,
    description: 'A subscription that is not saved, as `POST /subscriptions/` takes it, and what to send',
    examples: [{ target_url: 'https://httpbin.org/post', payload: { order: 7, total: 99 } }],
  },
)
export type DraftTest = Static<typeof DraftTest>

const nullable = <T>(type: string, description: string, options: object = {}) =>
  Type.Unsafe<T | null>({ type: [type, 'null'], description, ...options })

export const TestResult = Type.Object(
  {
    delivered: Type.Boolean({ description: 'The receiver has accepted it' }),
    webhook_id: Type.String({ format: 'uuid', description: 'The id that it was sent with; of no event' }),
    attempt_id: nullable<string>('string', 'Its row of the log; null: the subscription is not saved', {
      format: 'uuid',
    }),
    event_type: Type.String(),
    request: Type.Object({
      ...RequestMade.properties,
      body: Type.String({ description: 'As it was sent, byte for byte' }),
    }),
    response: Type.Union([ResponseSeen, Type.Null()], { description: 'Null: there was no answer' }),
    timings: AttemptTimings,
    remote_address: nullable<string>('string', 'The address the connection went to'),
    error_class: Type.Unsafe<ErrorClass | null>({ type: ['string', 'null'], enum: [...errorClasses, null] }),
    error: nullable<string>('string', 'What went wrong'),
    hint: nullable<string>('string', 'What its owner can do about it'),
  },
  { $id: 'TestResult', description: 'One test: the whole exchange' },
)
export type TestResult = Static<typeof TestResult>

export const testSchemas = [SubscriptionTest, DraftTest, TestResult]
