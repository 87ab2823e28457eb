import { type Static, Type } from 'typebox'
import { metadataInput } from '../http/metadata.ts'
import { tenantParameter } from '../http/parameters.ts'
import { documentedKey, sentenceKey, storableText } from '../http/validation.ts'
import type { HeaderFields } from '../model/exchange-details.ts'
import { overlapSeconds } from '../subscriptions/rotation.ts'
import { secretMask } from '../subscriptions/signing-secret.ts'
import { placeLimits } from './places.ts'
import { SourcePreset } from './preset-schema.ts'

export const sourceLimits = {
  ofTenant: 500,
  inAll: 10_000,
  nameChars: 100,
  secrets: 5,
  secretChars: 8192,
  urlChars: 2048,
  toleranceSeconds: 604_800,
  dedupe: 10,
  channels: 20,
  forwardHeaders: 32,
  answerBodyChars: 4096,
  /** Of each source, refused requests that are kept. */
  refusals: 100,
  /** Of all of them with their headers. */
  keptBytes: 1_048_576,
  /** Of the body of each. */
  bodyBytes: 16_384,
} as const

/** What a provider is answered when its event is accepted. */
export interface SourceAnswer {
  readonly status: number
  readonly content_type: string
  readonly body: string
}

/** A way to sign that the owner of a source has put together; names as in the list of presets. */
export interface OwnSignature {
  readonly algorithm: 'hmac-sha1' | 'hmac-sha256' | 'hmac-sha512' | 'ed25519' | 'ecdsa-sha256'
  readonly encoding?: 'hex' | 'base64'
  readonly key?: 'utf8' | 'hex' | 'base64' | 'whsec'
  readonly at: string
  readonly prefix?: string | null
  readonly split?: string | null
  readonly signed?: string
  readonly signed_at?: string | null
  readonly signed_at_prefix?: string | null
  readonly signed_at_unit?: 's' | 'ms' | 'iso'
  readonly id_at?: string | null
}

/** What the owner of a source has set besides its name, its preset and its secrets, defaults filled in. */
export interface SourceSettings {
  readonly event_type: string | null
  readonly public_url: string | null
  readonly tolerance_seconds: number | null
  /** Null: as the preset says. */
  readonly dedupe: readonly string[] | null
  readonly signature: OwnSignature | null
  readonly channels: readonly string[]
  readonly metadata: Readonly<Record<string, string>>
  readonly forward_headers: readonly string[]
  readonly forward_prefix: string
  /** Null: as the preset says, else 200 with the id of the event. */
  readonly answer: SourceAnswer | null
}

export const usualSettings: SourceSettings = {
  event_type: null,
  public_url: null,
  tolerance_seconds: null,
  dedupe: null,
  signature: null,
  channels: [],
  metadata: {},
  forward_headers: [],
  forward_prefix: 'x-original-',
  answer: null,
}

const text = (description: string, more: object = {}) => Type.String({ description, ...more })
const textOrNull = (description: string, more: object = {}) =>
  Type.Unsafe<string | null>({ type: ['string', 'null'], description, ...more })
const place = (description: string, examples: readonly string[]) =>
  textOrNull(`${description}: \`header:NAME\`, \`query:NAME\`, \`field:NAME\` or \`form:NAME\``, { examples })
const choice = <T extends string>(values: readonly T[], description: string) =>
  Type.Unsafe<T>({ type: 'string', enum: [...values], description })

const name = text('For people; events have it as `metadata.source`', {
  minLength: 1,
  maxLength: sourceLimits.nameChars,
  [documentedKey]: { pattern: storableText },
  examples: ['our repositories'],
})
const preset = text('How the provider signs: the `id` of one of `GET /sources/presets`', {
  examples: ['github'],
})
const secrets = Type.Array(
  Type.String({
    minLength: 1,
    maxLength: sourceLimits.secretChars,
    [documentedKey]: { pattern: storableText },
  }),
  {
    maxItems: sourceLimits.secrets,
    description:
      'What requests are checked with: secrets as the provider shows them, or its public keys. One that fits is enough. Stored encrypted, and ' +
      `shown as ${secretMask}; a mask sent back keeps the secret at its place`,
    examples: [['a secret that GitHub knows, too']],
  },
)

const ownSignature = Type.Unsafe<OwnSignature | null>({
  ...Type.Object(
    {
      algorithm: choice(
        ['hmac-sha1', 'hmac-sha256', 'hmac-sha512', 'ed25519', 'ecdsa-sha256'],
        'How the signature is made',
      ),
      encoding: Type.Optional(choice(['hex', 'base64'], 'How the signature is written; hex unless given')),
      key: Type.Optional(
        choice(
          ['utf8', 'hex', 'base64', 'whsec'],
          'How a secret becomes the bytes of the key, for an HMAC; utf8 unless given',
        ),
      ),
      at: text('Where the signature stands: `header:NAME`, `query:NAME`, `field:NAME` or `form:NAME`', {
        examples: ['header:x-signature'],
      }),
      prefix: Type.Optional(textOrNull('What stands before the signature', { maxLength: 64 })),
      split: Type.Optional(
        textOrNull('What stands between several signatures at one place', { minLength: 1, maxLength: 8 }),
      ),
      signed: Type.Optional(
        text(
          'What is signed: `{body}`, `{plain body}` (decompressed), `{timestamp}`, `{id}`, `{method}`, `{url}`, `{sorted form}` and places in braces, all else as it is; `{body}` unless given',
          { examples: ['{timestamp}.{body}'] },
        ),
      ),
      signed_at: Type.Optional(place('Where the time of the signature stands', ['header:x-timestamp'])),
      signed_at_prefix: Type.Optional(textOrNull('What stands before that time', { maxLength: 64 })),
      signed_at_unit: Type.Optional(
        choice(['s', 'ms', 'iso'], 'Seconds or milliseconds since 1970, or RFC 3339; s unless given'),
      ),
      id_at: Type.Optional(place('Where the id stands that is signed as `{id}`', ['header:x-event-id'])),
    },
    { additionalProperties: false },
  ),
  type: ['object', 'null'],
  [sentenceKey]: 'Give an object with at least algorithm and at, or null.',
  description:
    'With the preset `hmac`: how this sender signs, where that is not an HMAC-SHA256 of the body in hex in `X-Signature`. Names are those of ' +
    '`signatures` in the list of presets. A secret is a public key for `ed25519` (hex, or whpk_) and `ecdsa-sha256` (base64 of its SubjectPublicKeyInfo)',
})

const answer = Type.Unsafe<Partial<SourceAnswer> | null>({
  ...Type.Object(
    {
      status: Type.Optional(Type.Integer({ minimum: 200, maximum: 299 })),
      content_type: Type.Optional(
        text('The type of `body`; `text/plain` unless given', {
          [documentedKey]: { enum: ['application/json', 'text/plain', 'text/xml', 'application/xml'] },
        }),
      ),
      body: Type.Optional(
        text('Sent as it is', {
          maxLength: sourceLimits.answerBodyChars,
          [documentedKey]: { pattern: storableText },
        }),
      ),
    },
    { additionalProperties: false },
  ),
  type: ['object', 'null'],
  [sentenceKey]: 'Give an object with status, content_type and body, or null.',
  description:
    'What the provider is answered when its event is accepted. Left out: as it needs it (Adyen: `[accepted]`, Slack and Twilio: nothing), else 200 with ' +
    '`webhook_id` and `deliveries` as JSON',
})

const fields = {
  event_type: Type.Optional(
    textOrNull(
      'The event type, in place of what the preset reads: a text, in which `{type}` stands for what the preset reads, and `{header:NAME}`, `{field:NAME}`, `{form:NAME}` and `{query:NAME}` for what a request has there',
      { examples: ['github.{type}.{field:action}'] },
    ),
  ),
  public_url: Type.Optional(
    textOrNull(
      'The address as the provider was given it, where that is not `url`; needed where the provider signs it and a proxy changes it',
      { examples: ['https://hooks.example.com/github'] },
    ),
  ),
  tolerance_seconds: Type.Optional(
    Type.Unsafe<number | null>({
      type: ['integer', 'null'],
      minimum: 1,
      maximum: sourceLimits.toleranceSeconds,
      [sentenceKey]: `Give a whole number from 1 to ${sourceLimits.toleranceSeconds}, or null.`,
      description:
        'How far the time of a signature may be from now; null: as the preset says. Where no time is signed it has no effect',
    }),
  ),
  dedupe: Type.Optional(
    Type.Unsafe<readonly string[] | null>({
      type: ['array', 'null'],
      items: { type: 'string' },
      [documentedKey]: {
        items: {
          type: 'string',
          pattern: `^(header|query|field|form):[a-zA-Z0-9._-]{1,${placeLimits.placeChars - 10}}$`,
        },
      },
      description:
        'Where the id stands by which a repeat is known: the first of these places that has one. At most ten. None: each request is an event of its own; null: as the preset says',
      examples: [['header:x-event-id']],
    }),
  ),
  signature: Type.Optional(ownSignature),
  channels: Type.Optional(
    Type.Array(
      Type.String({
        minLength: 1,
        maxLength: 128,
        [documentedKey]: { pattern: '^[\\x21-\\x2b\\x2d-\\x7e]+$' },
      }),
      { maxItems: sourceLimits.channels, description: 'The channels of its events' },
    ),
  ),
  metadata: Type.Optional(
    Type.Unsafe<Record<string, string> | null>(
      metadataInput(['string'], 'What is said of each of its events, besides `source` and `provider_id`'),
    ),
  ),
  forward_headers: Type.Optional(
    Type.Array(
      Type.String({
        minLength: 1,
        maxLength: 128,
        [documentedKey]: { pattern: '^[a-zA-Z0-9_.-]+\\*?$' },
      }),
      {
        maxItems: sourceLimits.forwardHeaders,
        description:
          'Headers of the request that are kept with the event and delivered with it; `x-github-*` stands for all that begin so. Credentials are never kept',
        examples: [['x-github-*']],
      },
    ),
  ),
  forward_prefix: Type.Optional(
    choice(
      ['x-original-', ''],
      'What is put before their names when they are delivered; nothing: they are delivered by their own names. `x-original-` unless given',
    ),
  ),
  answer: Type.Optional(answer),
  enabled: Type.Optional(
    Type.Boolean({ description: 'False: its address takes nothing, as if it were none. True unless given' }),
  ),
}

export const SourceCreate = Type.Object(
  { name, tenant: Type.Optional(tenantParameter), preset, secrets: Type.Optional(secrets), ...fields },
  {
    $id: 'SourceCreate',
    additionalProperties: false,
    description: 'A source: an address that a provider sends to',
    examples: [{ name: 'our repositories', preset: 'github', secrets: ['a secret that GitHub knows, too'] }],
  },
)
export type SourceCreate = Static<typeof SourceCreate>

export const SourcePatch = Type.Object(
  { name: Type.Optional(name), preset: Type.Optional(preset), secrets: Type.Optional(secrets), ...fields },
  {
    $id: 'SourcePatch',
    additionalProperties: false,
    description:
      'What is to change. What is left out stays as it is; null puts a field back to what it is unless given.',
    examples: [{ event_type: 'github.{type}' }],
  },
)
export type SourcePatch = Static<typeof SourcePatch>

const time = (description: string) => textOrNull(description, { format: 'date-time' })
const count = (description: string) => Type.Integer({ minimum: 0, description })

export const Source = Type.Object(
  {
    id: Type.Integer(),
    tenant: Type.String(),
    name: Type.String(),
    preset: Type.String(),
    url: Type.String({
      description: `To give to the provider; for who may only read, ${secretMask} stands in it`,
    }),
    enabled: Type.Boolean(),
    secrets: Type.Array(Type.String(), { description: `One ${secretMask} for each` }),
    secrets_expire_at: Type.Array(time('Null: it is good until it is replaced'), {
      description: 'When each of them ends',
    }),
    event_type: textOrNull('As it was given'),
    public_url: textOrNull('As it was given'),
    tolerance_seconds: Type.Unsafe<number | null>({ type: ['integer', 'null'] }),
    dedupe: Type.Unsafe<readonly string[] | null>({ type: ['array', 'null'], items: { type: 'string' } }),
    signature: Type.Unsafe<OwnSignature | null>({ type: ['object', 'null'] }),
    channels: Type.Array(Type.String()),
    metadata: Type.Unsafe<Record<string, string>>({
      type: 'object',
      additionalProperties: { type: 'string' },
    }),
    forward_headers: Type.Array(Type.String()),
    forward_prefix: Type.String(),
    answer: Type.Unsafe<SourceAnswer | null>({
      type: ['object', 'null'],
      properties: {
        status: { type: 'integer' },
        content_type: { type: 'string' },
        body: { type: 'string' },
      },
    }),
    received: Type.Object(
      {
        accepted: count('Requests that were accepted'),
        repeated: count('Of these, those that had been accepted before'),
        refused: count('Requests that were refused'),
        last_accepted_at: time('When the last one was accepted'),
        last_refused_at: time('When the last one was refused'),
        refused_in_a_row: count('How many were refused since one was accepted'),
        refusing_since: time('Since when'),
        last_reason: textOrNull('Why the last of these was refused'),
      },
      { description: 'What came, as of a second or two ago' },
    ),
    created_at: Type.String({ format: 'date-time' }),
    updated_at: Type.String({ format: 'date-time' }),
  },
  { $id: 'Source', title: 'Source', description: 'An address that a provider sends to' },
)
export type SourceView = Static<typeof Source>

export const SourceSecretRotation = Type.Object(
  {
    secret: Type.String({
      minLength: 1,
      maxLength: sourceLimits.secretChars,
      [documentedKey]: { pattern: storableText },
      description: 'The new secret, as the provider shows it',
      examples: ['another secret that GitHub knows, too'],
    }),
    overlap_seconds: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: overlapSeconds.max,
        default: overlapSeconds.usual,
        description: 'How long those before it are still good; 0: they end now',
      }),
    ),
  },
  {
    $id: 'SourceSecretRotation',
    additionalProperties: false,
    description: 'A new secret beside those there are, which end after a while',
    examples: [{ secret: 'another secret that GitHub knows, too' }],
  },
)
export type SourceSecretRotation = Static<typeof SourceSecretRotation>

export const SourceRefusal = Type.Object(
  {
    id: Type.String({ format: 'uuid' }),
    at: Type.String({ format: 'date-time' }),
    reason: Type.String({
      description: 'A code, such as `signature_mismatch`',
      examples: ['signature_mismatch'],
    }),
    detail: Type.String({ description: 'What that means, and what to do' }),
    method: Type.String(),
    query: textOrNull('Of the address, without the question mark'),
    headers: Type.Unsafe<HeaderFields>({
      type: 'object',
      additionalProperties: { type: ['string', 'array'], items: { type: 'string' } },
      description: 'By their names in lower case. Credentials are redacted',
    }),
    body: Type.String({ description: 'Its beginning, where it is long' }),
    body_encoding: choice(['utf-8', 'base64'], '`base64` where the bytes are no UTF-8'),
    body_bytes: count('How many bytes it had'),
    body_truncated: Type.Boolean(),
  },
  { $id: 'SourceRefusal', title: 'SourceRefusal', description: 'A request that a source refused' },
)
export type RefusalView = Static<typeof SourceRefusal>

export const sourceSchemas = [
  SourcePreset,
  SourceCreate,
  SourcePatch,
  Source,
  SourceSecretRotation,
  SourceRefusal,
]
