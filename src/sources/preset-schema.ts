import { Type } from 'typebox'

const places =
  'such as `header:x-github-event`, `field:event.type` (of a JSON body), `form:command`, `query:code`'

const oneOf = <T extends string>(values: readonly T[], description: string) =>
  Type.Unsafe<T>({ type: 'string', enum: [...values], description })
const nullable = (description: string) =>
  Type.Unsafe<string | null>({ type: ['string', 'null'], description })

/** One way in which a provider signs. */
export const SignatureWay = Type.Object({
  algorithm: oneOf(
    ['hmac-sha1', 'hmac-sha256', 'hmac-sha512', 'ed25519', 'ecdsa-sha256', 'rsa-sha1', 'rsa-sha256'],
    'How the signature is made',
  ),
  encoding: oneOf(['hex', 'base64'], 'How the signature is written'),
  at: Type.String({ description: `Where the signature stands: ${places}` }),
  prefix: nullable('What stands before the signature; null: nothing'),
  signed: Type.String({
    description:
      'What is signed: `{body}` byte for byte, `{plain body}` decompressed, `{timestamp}` and `{id}` as they came, `{url}` with which the provider was given, ' +
      'other places by their name; all else as it is',
    examples: ['{timestamp}.{body}'],
  }),
  signed_at: nullable('Where the time of the signature stands; null: nothing says how old a request is'),
  tolerance_seconds: Type.Unsafe<number | null>({
    type: ['integer', 'null'],
    minimum: 0,
    description: 'How far that time may be from now, in both directions; null: any time will do',
  }),
})

export const SourcePreset = Type.Object(
  {
    id: Type.String({
      description: 'Of the preset: the name of the provider in lower case',
      examples: ['github'],
    }),
    name: Type.String({ description: 'For people' }),
    documentation: nullable('Where the provider says how it signs; null: this is no provider in particular'),
    secret: Type.Object(
      {
        kind: oneOf(
          [
            'shared_secret',
            'public_key',
            'shared_secret_or_public_key',
            'token',
            'user_and_password',
            'sender',
            'none',
          ],
          'What kind of secret a request is checked with; `sender`: no secret, but the name of who has it signed',
        ),
        description: Type.String({ description: 'Which of the texts of the provider that is' }),
      },
      { description: 'What is to be given as a secret' },
    ),
    signatures: Type.Array(SignatureWay, {
      description: 'The ways in which it signs; none: the secret itself is sent, or nothing is',
    }),
    headers: Type.Array(Type.String(), {
      description: 'The headers by which it is seen who sends, and that a proxy must let through',
    }),
    event_type: Type.Array(Type.String(), {
      description: `Where the event type stands, ${places}: the first of these places that has one`,
    }),
    dedupe: Type.Array(Type.String(), {
      description:
        'Where the id stands by which a repeat is known: the first of these places that has one; none: repeats are not known',
    }),
    answer: Type.Unsafe<{
      readonly status: number
      readonly content_type: string
      readonly body: string
    } | null>({
      type: ['object', 'null'],
      properties: {
        status: { type: 'integer' },
        content_type: { type: 'string' },
        body: { type: 'string' },
      },
      description:
        'What the provider is answered when its event is accepted; null: 200 with the id of the event',
    }),
    answers_challenge: Type.Boolean({
      description: 'Whether the provider asks first whether the URL is yours, in a way that is known',
    }),
    needs_public_url: Type.Boolean({
      description: 'Whether the URL is signed, so that it must be known how the provider was given it',
    }),
  },
  { $id: 'SourcePreset', title: 'SourcePreset', description: 'How one provider signs what it sends' },
)
