import { type Static, Type } from 'typebox'
import { tenantParameter } from '../http/parameters.ts'
import { documentedKey, sentenceKey, storableText } from '../http/validation.ts'
import type { HeaderFields } from '../model/exchange-details.ts'
import { secretMask } from '../subscriptions/signing-secret.ts'

export const receiverLimits = {
  ofTenant: 20,
  inAll: 500,
  /** Of each receiver. */
  requests: 100,
  /** Of the body of a request that are kept. */
  bodyBytes: 1_048_576,
  /** Of the bodies and headers of all requests of a receiver. */
  keptBytes: 4_194_304,
  nameChars: 100,
  delayMs: 60_000,
  answerBodyChars: 10_000,
  answerHeaders: 20,
  answerHeaderChars: 512,
  failTimes: 1000,
  retryAfterSeconds: 86_400,
  secondsUnlessGiven: 86_400,
  seconds: { min: 60, max: 604_800 },
} as const

/** Headers that an answer may have. */
export const answerHeaderNames =
  'content-type, location, retry-after, and names that begin with webhook- or x-test-'

/** The same for programs. */
const answerHeaderPattern =
  '^([Cc]ontent-[Tt]ype|[Ll]ocation|[Rr]etry-[Aa]fter|([Ww]ebhook|[Xx]-[Tt]est)-[a-zA-Z0-9-]{1,64})$'

/** Content types that no browser runs or shows as a page. */
const answerContentTypes =
  'application/json, application/problem+json, application/octet-stream or text/plain'

/** How requests are answered, defaults filled in. */
export interface ReceiverAnswer {
  readonly status: number
  readonly delay_ms: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** Null: each request is answered as the other fields say. */
  readonly fail_times: number | null
  readonly drop: boolean
  /** Seconds. */
  readonly retry_after: number | null
}

export const usualAnswer: ReceiverAnswer = {
  status: 200,
  delay_ms: 0,
  headers: {},
  body: '',
  fail_times: null,
  drop: false,
  retry_after: null,
}

const answerFields = {
  status: Type.Optional(Type.Integer({ minimum: 200, maximum: 599, default: 200 })),
  delay_ms: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: receiverLimits.delayMs,
      default: 0,
      description: 'How long it waits before it answers',
    }),
  ),
  headers: Type.Optional(
    Type.Unsafe<Record<string, string>>({
      type: 'object',
      additionalProperties: {
        type: 'string',
        maxLength: receiverLimits.answerHeaderChars,
        [sentenceKey]: `Give a text of at most ${receiverLimits.answerHeaderChars} characters.`,
        [documentedKey]: { minLength: 1, pattern: '^[\\x21-\\x7e]([\\x20-\\x7e]*[\\x21-\\x7e])?$' },
      },
      maxProperties: receiverLimits.answerHeaders,
      [documentedKey]: { propertyNames: { pattern: answerHeaderPattern, examples: ['x-test-answer'] } },
      [sentenceKey]: `Give an object of at most ${receiverLimits.answerHeaders} names, each with a text.`,
      description:
        `Headers of the answer: ${answerHeaderNames}. Others are refused, since the answer comes from the address of this service. ` +
        `A content type is ${answerContentTypes}`,
      examples: [{ 'content-type': 'application/json' }],
    }),
  ),
  body: Type.Optional(
    Type.String({
      maxLength: receiverLimits.answerBodyChars,
      [documentedKey]: { pattern: storableText },
      description: 'The body of the answer',
    }),
  ),
  fail_times: Type.Optional(
    Type.Unsafe<number | null>({
      type: ['integer', 'null'],
      minimum: 0,
      maximum: receiverLimits.failTimes,
      [sentenceKey]: `Give a whole number from 0 to ${receiverLimits.failTimes}, or null.`,
      description:
        'This number of requests fail from now on, and all after them succeed: they fail as `drop` or a `status` of 300 or more says, else with 500; ' +
        'they succeed with a `status` below 300, else 200. Null: every request is answered as the other fields say',
    }),
  ),
  drop: Type.Optional(Type.Boolean({ description: 'The connection is closed without an answer' })),
  retry_after: Type.Optional(
    Type.Unsafe<number | null>({
      type: ['integer', 'null'],
      minimum: 0,
      maximum: receiverLimits.retryAfterSeconds,
      [sentenceKey]: `Give a whole number from 0 to ${receiverLimits.retryAfterSeconds}, or null.`,
      description: 'The header `Retry-After` of answers that are no success, in seconds',
    }),
  ),
}

export const AnswerInput = Type.Object(answerFields, {
  additionalProperties: false,
  description: 'How requests are answered; what is left out is as usual: 200, at once, without a body',
})
export type AnswerInput = Static<typeof AnswerInput>

const AnswerOutput = Type.Unsafe<ReceiverAnswer>({
  type: 'object',
  properties: {
    status: { type: 'integer' },
    delay_ms: { type: 'integer' },
    headers: { type: 'object', additionalProperties: { type: 'string' } },
    body: { type: 'string' },
    fail_times: { type: ['integer', 'null'] },
    drop: { type: 'boolean' },
    retry_after: { type: ['integer', 'null'] },
  },
  required: Object.keys(usualAnswer),
  additionalProperties: false,
})

const name = Type.Unsafe<string | null>({
  type: ['string', 'null'],
  maxLength: receiverLimits.nameChars,
  [documentedKey]: { pattern: storableText },
  description: 'For people',
})

const signingSecret = Type.Unsafe<string | null>({
  type: ['string', 'null'],
  minLength: 16,
  maxLength: 256,
  [sentenceKey]: 'Give the signing secret of who sends, of 16 to 256 characters, or null.',
  description:
    'What signatures are verified with. Null or left out: the secrets of the subscriptions that lead here, as they are when a request comes',
})

export const TestReceiverCreate = Type.Object(
  {
    tenant: Type.Optional(tenantParameter),
    name: Type.Optional(name),
    answer: Type.Optional(AnswerInput),
    signing_secret: Type.Optional(signingSecret),
    expires_in_seconds: Type.Optional(
      Type.Integer({
        minimum: receiverLimits.seconds.min,
        maximum: receiverLimits.seconds.max,
        default: receiverLimits.secondsUnlessGiven,
      }),
    ),
  },
  {
    $id: 'TestReceiverCreate',
    additionalProperties: false,
    description: 'A receiver to try deliveries with',
    examples: [{ name: 'my first', answer: { fail_times: 2 } }],
  },
)
export type TestReceiverCreate = Static<typeof TestReceiverCreate>

export const TestReceiverPatch = Type.Object(
  {
    name: Type.Optional(name),
    answer: Type.Optional(AnswerInput),
    signing_secret: Type.Optional(signingSecret),
  },
  {
    $id: 'TestReceiverPatch',
    additionalProperties: false,
    description:
      'What is to change. Fields of `answer` that are left out stay as they are; `fail_times` is counted anew.',
    examples: [{ answer: { status: 503, retry_after: 2, fail_times: 1 } }],
  },
)
export type TestReceiverPatch = Static<typeof TestReceiverPatch>

export const TestReceiver = Type.Object(
  {
    id: Type.Integer(),
    tenant: Type.String(),
    name: Type.Unsafe<string | null>({ type: ['string', 'null'] }),
    url: Type.String({ description: 'Where requests are sent to; who knows it may send' }),
    answer: AnswerOutput,
    failures_left: Type.Integer({ description: 'How many of the next requests fail, by `fail_times`' }),
    signing_secret: Type.Unsafe<string | null>({
      type: ['string', 'null'],
      description: `Masked as ${secretMask}; null: that of the subscriptions that lead here`,
    }),
    received: Type.Integer({ description: 'How many requests came in all' }),
    created_at: Type.String({ format: 'date-time' }),
    expires_at: Type.String({ format: 'date-time', description: 'When it ends, with all that it got' }),
  },
  { $id: 'TestReceiver', description: 'A receiver to try deliveries with' },
)
export type TestReceiverAnswer = Static<typeof TestReceiver>

export const signatureWords = ['valid', 'invalid', 'unchecked'] as const
export type SignatureWord = (typeof signatureWords)[number]

export const ReceivedRequest = Type.Object(
  {
    id: Type.String({ format: 'uuid' }),
    at: Type.String({ format: 'date-time' }),
    method: Type.String(),
    query: Type.Unsafe<string | null>({
      type: ['string', 'null'],
      description: 'Of the address, without the question mark',
    }),
    headers: Type.Unsafe<HeaderFields>({
      type: 'object',
      additionalProperties: { anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }] },
      description:
        'Credentials are `[redacted]`: `authorization`, cookies, and the headers that the subscription adds',
    }),
    body: Type.String(),
    body_encoding: Type.Unsafe<'utf-8' | 'base64'>({
      type: 'string',
      enum: ['utf-8', 'base64'],
      description: 'How the bytes are written in `body`: as text, or in base64 where they are no UTF-8',
    }),
    body_bytes: Type.Integer(),
    body_truncated: Type.Boolean(),
    webhook_id: Type.Unsafe<string | null>({ type: ['string', 'null'] }),
    subscription_id: Type.Unsafe<number | null>({
      type: ['integer', 'null'],
      description: 'Whose secret the signature was made with',
    }),
    signature: Type.Unsafe<SignatureWord>({
      type: 'string',
      enum: [...signatureWords],
      description: '`unchecked`: no secret is known that it could be verified with',
    }),
    signature_detail: Type.Unsafe<string | null>({
      type: ['string', 'null'],
      description: 'Why it is not valid',
    }),
    status: Type.Unsafe<number | null>({
      type: ['integer', 'null'],
      description: 'What was answered; null: the connection was closed without an answer',
    }),
  },
  { $id: 'ReceivedRequest', description: 'A request that a test receiver got' },
)
export type ReceivedRequestAnswer = Static<typeof ReceivedRequest>

export const testReceiverSchemas = [TestReceiverCreate, TestReceiverPatch, TestReceiver, ReceivedRequest]
