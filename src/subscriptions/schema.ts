import { type Static, type TSchema, type TSchemaOptions, Type } from 'typebox'
import { filterInput } from '../filters/schema.ts'
import { metadataInput } from '../http/metadata.ts'
import { tenantParameter, uidPattern } from '../http/parameters.ts'
import { documentedKey, storableText } from '../http/validation.ts'
import { type CaptureOf, captures } from '../model/exchange-details.ts'
import { type Format, formats } from '../model/format.ts'
import { type InFlightReason, inFlightReasons } from '../model/in-flight.ts'
import { AuthInput, AuthOutput } from './auth-schema.ts'
import { CloudEventsInput, CloudEventsOutput } from './cloudevents-fields.ts'
import { headersInput } from './custom-headers.ts'
import { eventTypePattern, eventTypePatternSentence, patternSegmentsMax } from './event-type-pattern.ts'
import { headerTemplatesInput } from './header-templates.ts'
import { InboundInput, InboundOutput, InboundPatch } from './inbound-fields.ts'
import { orderingKeyPattern, orderingKeyPatternSentence, orderingKeyRuleCharsMax } from './ordering-key.ts'
import { nullableInteger, type RateLimitFields, RateLimitInput, RetryInput } from './retry-fields.ts'
import { SigningInput, SigningOutput, signingAnswer } from './signing.ts'
import { ownSigningSecret, secretMask } from './signing-secret.ts'
import { targetUrlPattern } from './target-url-pattern.ts'
import { VerificationOutput } from './verification.ts'

export const limits = {
  targetUrlChars: 2048,
  descriptionChars: 1000,
  secretChars: 256,
  eventTypes: 100,
  channels: 10,
} as const

export const channelPattern = '^[a-zA-Z0-9_.:/-]{1,128}$'

const metadata = (valueTypes: readonly string[]) =>
  metadataInput(valueTypes, 'Your own names and texts; shown, never sent to the receiver')

const targetUrl = Type.String({
  minLength: 1,
  maxLength: limits.targetUrlChars,
  description:
    'Where events are sent: an http or https address, without user name, password and fragment, and allowed by the service',
  examples: ['https://example.com/hooks'],
  [documentedKey]: { format: 'uri', pattern: targetUrlPattern },
})

const optionalFields = {
  uid: Type.Optional(
    Type.Unsafe<string | null>({
      type: ['string', 'null'],
      pattern: uidPattern,
      'x-sentence': 'Give 1 to 255 characters out of letters, digits and _ . : -, or null.',
      description:
        'Your own name for it, unique within its tenant; `uid:<value>` stands for the id in every path',
      examples: ['customer-42'],
    }),
  ),
  description: Type.Optional(
    Type.Unsafe<string | null>({
      type: ['string', 'null'],
      maxLength: limits.descriptionChars,
      [documentedKey]: { pattern: storableText },
      description: 'For people',
    }),
  ),
  secret: Type.Optional(
    Type.Unsafe<string | null>({
      type: ['string', 'null'],
      minLength: 1,
      maxLength: limits.secretChars,
      [documentedKey]: { pattern: storableText },
      description:
        'When it is set, every ingest must be signed with it (HMAC-SHA256 of the raw body, in `X-Hub-Signature-256`). ' +
        'Shown in the 201 answer only.',
    }),
  ),
  event_types: Type.Optional(
    Type.Unsafe<string[] | null>({
      type: ['array', 'null'],
      items: {
        type: 'string',
        pattern: eventTypePattern,
        'x-sentence': eventTypePatternSentence,
      },
      minItems: 1,
      maxItems: limits.eventTypes,
      uniqueItems: true,
      'x-sentence': `Give 1 to ${limits.eventTypes} event types, each once; leave it out or give null for all events.`,
      description:
        'Only events of these types are delivered; null: all events. Exact types, or patterns in which `*` stands for a ' +
        `segment between dots, at the end for one or more: \`order.*\`, \`order.*.paid\`. A pattern has at most ${patternSegmentsMax} ` +
        'segments. `*` alone stands for every event, also one without a type',
      examples: [['order.*', 'invoice.paid']],
    }),
  ),
  channels: Type.Optional(
    Type.Unsafe<string[] | null>({
      type: ['array', 'null'],
      items: {
        type: 'string',
        pattern: channelPattern,
        'x-sentence': 'Give a channel of 1 to 128 characters out of letters, digits and _ . : / -',
      },
      minItems: 1,
      maxItems: limits.channels,
      uniqueItems: true,
      'x-sentence': `Give 1 to ${limits.channels} channels, each once; leave it out or give null for events of all channels.`,
      description:
        'Only events that have at least one of these channels are delivered; null: all events, with channels or without',
      examples: [['project-7']],
    }),
  ),
  filter: Type.Optional(filterInput),
  paused: Type.Optional(
    Type.Boolean({ description: 'Events are accepted, and delivered once it is resumed' }),
  ),
  retry: Type.Optional(RetryInput),
  timeout_ms: Type.Optional(nullableInteger(100, 30_000, 'How long one attempt may take')),
  connect_timeout_ms: Type.Optional(
    nullableInteger(
      100,
      30_000,
      'How long name look-up, connection and TLS handshake may take together, within `timeout_ms`; a larger value has ' +
        'no effect. An attempt over an open connection does none of them',
    ),
  ),
  max_in_flight: Type.Optional(
    nullableInteger(
      1,
      1000,
      'How many requests may be open to the receiver at a time. Null: the service finds out how many it is best served with',
    ),
  ),
  rate_limit: Type.Optional(RateLimitInput),
  ordered: Type.Optional(
    Type.Boolean({
      description:
        'One at a time, in the order of acceptance. One that fails holds those after it until it is delivered or given up',
    }),
  ),
  ordering_key: Type.Optional(
    Type.Unsafe<string | null>({
      type: ['string', 'null'],
      maxLength: orderingKeyRuleCharsMax,
      pattern: orderingKeyPattern,
      'x-sentence': orderingKeyPatternSentence,
      description:
        'Where an event says what it belongs to: `payload.<path>` such as `payload.customer.id`, `headers.<name>`, `metadata.<name>`, or ' +
        '`subject`, that of CloudEvents. Events with the same key go one at a time, in the order of acceptance, and one that ' +
        'fails holds only those of its key. An event without a key is in no order. Not together with `ordered`',
      examples: ['payload.customer.id'],
    }),
  ),
  format: Type.Optional(
    Type.Unsafe<Format | null>({
      type: ['string', 'null'],
      enum: [...formats, null],
      'x-sentence': `Give ${formats.map(format => `"${format}"`).join(' or ')}, or null for "raw".`,
      description:
        '`raw`: the body as it was sent, byte for byte. `slack`: `{"text": …}` as an incoming webhook of Slack takes it: the ' +
        'subject and the text of a system event, the `text` of a JSON body that has one, else the type and the beginning of ' +
        'the body. `cloudevents-structured` and `cloudevents-binary`: a CloudEvent 1.0 in one JSON object, or in headers beside ' +
        'the body as it was sent; `cloudevents` says what its attributes are. What is signed is what is sent',
    }),
  ),
  forward_traceparent: Type.Optional(
    Type.Boolean({
      description:
        'Each attempt tells the receiver where it is in a trace, by the header `traceparent` (W3C Trace Context): its own place where the service traces, else the one that came with the event, if any',
    }),
  ),
  capture: Type.Optional(
    Type.Unsafe<CaptureOf | null>({
      type: ['string', 'null'],
      enum: [...captures, null],
      'x-sentence': `Give one of: ${captures.join(', ')}; leave it out or give null for what the service does by default.`,
      description:
        'Of which attempts request headers, answer and timings are kept (`GET /attempts/{id}`): of `failures`, of `all`, of ' +
        '`none`; with `none` the log quotes no answer either. Null: as the setting `CAPTURE_RESPONSES` says',
    }),
  ),
  inbound: Type.Optional(InboundInput),
  headers: Type.Optional(Type.Unsafe<Record<string, string> | null>(headersInput(['string']))),
  header_templates: Type.Optional(
    Type.Unsafe<Record<string, string> | null>(headerTemplatesInput(['string'])),
  ),
  cloudevents: Type.Optional(CloudEventsInput),
  auth: Type.Optional(AuthInput),
  signing: Type.Optional(SigningInput),
  metadata: Type.Optional(Type.Unsafe<Record<string, string> | null>(metadata(['string']))),
}

const nullable = (type: string, options: object = {}) =>
  Type.Unsafe<string | null>({ type: [type, 'null'], ...options })
const time = (description: string) => Type.String({ format: 'date-time', description })

/** Only `GET /subscriptions/{id}` has it. */
const InFlightNow = Type.Unsafe<{ limit: number; reason: InFlightReason; updated_at: string } | null>({
  type: ['object', 'null'],
  description:
    'What was found out where `max_in_flight` is null, some seconds ago: how many requests may be in flight, of all processes together, and why. ' +
    'Null: nothing in the last five minutes; it begins with 10',
  properties: {
    limit: { type: 'integer' },
    reason: { type: 'string', enum: [...inFlightReasons] },
    updated_at: { type: 'string', format: 'date-time' },
  },
})

/** What becomes of what waited for a subscription that is resumed. */
export type WaitingFate = 'deliver' | 'discard'

/** The answer to a resume has it, and `GET /subscriptions/{id}`. */
const Waiting = Type.Unsafe<{ fate: WaitingFate; count: number | null; ended: number } | null>({
  type: ['object', 'null'],
  description:
    'In the answer to a resume: how much waited, and what becomes of it. Afterwards, in that to a GET: what is still being discarded, and how much of it has ended; null: nothing. ' +
    'A count of null is more than could be counted while the caller waits',
  properties: {
    fate: { type: 'string', enum: ['deliver', 'discard'] },
    count: { type: ['integer', 'null'] },
    ended: { type: 'integer' },
  },
})

export const subscriptionStates = ['active', 'paused', 'degraded', 'circuit_open', 'disabled'] as const
export type SubscriptionState = (typeof subscriptionStates)[number]

export const Subscription = Type.Object(
  {
    id: Type.Integer(),
    uid: nullable('string', { description: 'The name that its owner has given it' }),
    tenant: Type.String(),
    target_url: Type.String(),
    description: nullable('string'),
    secret: nullable('string', {
      description: `The inbound secret, masked as ${secretMask}; null: there is none`,
    }),
    signing_secret: Type.String({
      description: `Signs deliveries. Shown when the subscription is made, masked as ${secretMask} afterwards`,
    }),
    signing_public_key: nullable('string', {
      description: 'Verifies signatures of the version v1a; null until that scheme is asked for',
    }),
    event_types: Type.Unsafe<readonly string[] | null>({
      type: ['array', 'null'],
      items: { type: 'string' },
    }),
    channels: Type.Unsafe<readonly string[] | null>({
      type: ['array', 'null'],
      items: { type: 'string' },
    }),
    filter: Type.Unsafe<object | null>({ type: ['object', 'null'], additionalProperties: true }),
    paused: Type.Boolean(),
    state: Type.Unsafe<SubscriptionState>({
      type: 'string',
      enum: [...subscriptionStates],
    }),
    state_reason: nullable('string'),
    state_since: time('When the state began'),
    verification: VerificationOutput,
    retry: Type.Object(
      {
        max_attempts: Type.Integer(),
        base_seconds: Type.Number(),
        factor: Type.Number(),
        max_delay_seconds: Type.Number(),
        schedule_seconds: Type.Unsafe<readonly number[] | null>({
          type: ['array', 'null'],
          items: { type: 'number' },
        }),
        jitter: Type.Number(),
        max_age_seconds: Type.Unsafe<number | null>({ type: ['integer', 'null'] }),
        terminal_statuses: Type.Unsafe<readonly number[]>({ type: 'array', items: { type: 'integer' } }),
      },
      { description: 'What is in force, defaults filled in' },
    ),
    timeout_ms: Type.Integer(),
    connect_timeout_ms: Type.Integer(),
    max_in_flight: Type.Unsafe<number | null>({
      type: ['integer', 'null'],
      description:
        'Null: the service finds out how many are best; `GET /subscriptions/{id}` says how many are now',
    }),
    in_flight_now: Type.Optional(InFlightNow),
    waiting: Type.Optional(Waiting),
    rate_limit: Type.Unsafe<RateLimitFields | null>({
      type: ['object', 'null'],
      properties: { requests: { type: 'integer' }, per_seconds: { type: 'integer' } },
    }),
    ordered: Type.Boolean(),
    ordering_key: nullable('string', {
      description: 'Where the key of an event stands; null: no order by key',
    }),
    format: Type.Unsafe<Format>({ type: 'string', enum: [...formats] }),
    forward_traceparent: Type.Boolean(),
    capture: Type.Unsafe<CaptureOf>({ type: 'string', enum: [...captures] }),
    inbound: InboundOutput,
    headers: Type.Record(Type.String(), Type.String(), { description: `Each value masked as ${secretMask}` }),
    header_templates: Type.Unsafe<Readonly<Record<string, string>>>({
      type: 'object',
      additionalProperties: { type: 'string' },
      description: 'Headers that are made for each attempt',
    }),
    cloudevents: CloudEventsOutput,
    auth: AuthOutput,
    signing: SigningOutput,
    metadata: Type.Record(Type.String(), Type.String()),
    created_at: time('When it was made'),
    updated_at: time('When it was changed last'),
    version: Type.Integer({
      description:
        'Grows with every change that a caller makes; also the ETag. A change of `state` by the service leaves it as it is',
    }),
  },
  {
    $id: 'Subscription',
    description: 'Where events go, and under which rules',
    examples: [
      {
        id: 1,
        uid: null,
        tenant: 'default',
        target_url: 'https://httpbin.org/post',
        description: null,
        secret: secretMask,
        signing_secret: secretMask,
        signing_public_key: null,
        event_types: null,
        channels: null,
        filter: null,
        paused: false,
        state: 'active',
        state_reason: null,
        state_since: '2026-01-01T00:00:00.000Z',
        verification: null,
        retry: {
          max_attempts: 5,
          base_seconds: 10,
          factor: 2,
          max_delay_seconds: 86400,
          schedule_seconds: null,
          jitter: 0,
          max_age_seconds: null,
          terminal_statuses: [],
        },
        timeout_ms: 15000,
        connect_timeout_ms: 5000,
        max_in_flight: null,
        rate_limit: null,
        ordered: false,
        ordering_key: null,
        format: 'raw',
        forward_traceparent: false,
        capture: 'failures',
        inbound: null,
        headers: { Authorization: secretMask },
        header_templates: {},
        cloudevents: null,
        auth: { type: 'none' },
        signing: signingAnswer({}),
        metadata: {},
        created_at: '2026-01-01T00:00:00.000Z',
        updated_at: '2026-01-01T00:00:00.000Z',
        version: 1,
      },
    ],
  },
)
/** A subscription as the API answers it. */
export type SubscriptionAnswer = Static<typeof Subscription>

/**
 * Fields that the service sets. A request may have them as they are now, so that the answer of a GET can be sent as a PUT;
 * with another value it is refused (`checkReadOnly`).
 */
export const readOnlyNames = [
  'id',
  'tenant',
  'signing_secret',
  'signing_public_key',
  'state',
  'state_reason',
  'state_since',
  'verification',
  'created_at',
  'updated_at',
  'version',
] as const
export type ReadOnlyName = (typeof readOnlyNames)[number]

function readOnly<Field extends TSchema>(field: Field, description: string) {
  return Type.Optional({ ...field, readOnly: true, description })
}
const { properties: answered } = Subscription
const asItIs = 'Set by the service; another value than the present one is refused'
const readOnlyFields = {
  id: readOnly(answered.id, asItIs),
  tenant: readOnly(answered.tenant, asItIs),
  signing_secret: readOnly(answered.signing_secret, '`rotate-secret` replaces it'),
  signing_public_key: readOnly(answered.signing_public_key, asItIs),
  state: readOnly(answered.state, asItIs),
  state_reason: readOnly(answered.state_reason, asItIs),
  state_since: readOnly(answered.state_since, asItIs),
  verification: readOnly(answered.verification, asItIs),
  in_flight_now: Type.Optional(
    Type.Unknown({ readOnly: true, description: 'Ignored: it is another one a moment later' }),
  ),
  waiting: Type.Optional(
    Type.Unknown({ readOnly: true, description: 'Ignored: it is another one a moment later' }),
  ),
  created_at: readOnly(answered.created_at, asItIs),
  updated_at: readOnly(answered.updated_at, asItIs),
  version: readOnly(
    answered.version,
    'Set by the service. As with `If-Match`, another version by now is 412',
  ),
}

/** What `POST /subscriptions/{id}/resume` takes. */
export const SubscriptionResume = Type.Object(
  {
    waiting: Type.Optional(
      Type.Unsafe<WaitingFate>({
        type: 'string',
        enum: ['deliver', 'discard'],
        default: 'deliver',
        description:
          'What becomes of what waited: it is delivered, or it ends as cancelled, each with a row in the log. What is scheduled for later is kept',
      }),
    ),
  },
  {
    $id: 'SubscriptionResume',
    additionalProperties: false,
    description: 'What becomes of what waited',
    examples: [{ waiting: 'discard' }],
  },
)

const closed = (id: string, description: string, examples: readonly unknown[]): TSchemaOptions => ({
  $id: id,
  additionalProperties: false,
  description,
  examples: [...examples],
})

export const SubscriptionCreate = Type.Object(
  {
    target_url: targetUrl,
    tenant: Type.Optional(tenantParameter),
    ...optionalFields,
    signing_secret: ownSigningSecret,
  },
  closed('SubscriptionCreate', 'A new subscription', [
    { target_url: 'https://httpbin.org/post', secret: 'mysecret' },
  ]),
)
export type SubscriptionCreate = Static<typeof SubscriptionCreate>

export const SubscriptionReplace = Type.Object(
  { target_url: targetUrl, ...optionalFields, ...readOnlyFields },
  closed(
    'SubscriptionReplace',
    'All rules of a subscription: what is left out goes back to its default. Only `secret` and `uid` are kept when they ' +
      `are left out, the secret also when it is sent masked (${secretMask}); null removes them. A masked header value keeps the one there is.`,
    [{ target_url: 'https://example.com/hooks', secret: 'newsecret' }],
  ),
)
export type SubscriptionReplace = Static<typeof SubscriptionReplace>
/** What a caller decides of a subscription. */
export type RuleFields = Omit<SubscriptionReplace, ReadOnlyName>

export const SubscriptionPatch = Type.Object(
  {
    ...optionalFields,
    target_url: Type.Optional(targetUrl),
    inbound: Type.Optional(InboundPatch),
    headers: Type.Optional(
      Type.Unsafe<Record<string, string | null> | null>(headersInput(['string', 'null'])),
    ),
    header_templates: Type.Optional(
      Type.Unsafe<Record<string, string | null> | null>(headerTemplatesInput(['string', 'null'])),
    ),
    metadata: Type.Optional(Type.Unsafe<Record<string, string | null> | null>(metadata(['string', 'null']))),
    ...readOnlyFields,
  },
  closed(
    'SubscriptionPatch',
    'What is to change (a JSON merge patch, RFC 7396): null takes a field back to its default',
    [{ paused: true }],
  ),
)
export type SubscriptionPatch = Static<typeof SubscriptionPatch>
