import { Type } from 'typebox'
import { documentedKey } from '../http/validation.ts'
import { secretMask } from './signing-secret.ts'
import { targetUrlPattern } from './target-url-pattern.ts'

export const authTypes = ['none', 'basic', 'bearer', 'oauth2', 'mtls'] as const
export type AuthType = (typeof authTypes)[number]

/** Fields whose values are sealed. */
export const authSecrets = ['password', 'token', 'client_secret', 'key'] as const
export type AuthSecret = (typeof authSecrets)[number]

/** How an OAuth client names itself to its token endpoint: by Basic authentication, or by fields of the form. */
export const clientAuths = ['basic', 'body'] as const
export type ClientAuth = (typeof clientAuths)[number]

/** Fields that are shown. */
export interface OpenAuthFields {
  readonly username?: string | null
  readonly token_url?: string | null
  readonly client_id?: string | null
  readonly client_auth?: ClientAuth | null
  readonly scope?: string | null
  readonly audience?: string | null
  readonly certificate?: string | null
  readonly ca?: string | null
}

/** What a subscription shows its receiver so that it is let in, as sent; a masked secret keeps the one there is. */
export interface AuthFields extends OpenAuthFields, Readonly<Partial<Record<AuthSecret, string | null>>> {
  readonly type?: AuthType | null
  /** Set by the service. */
  readonly certificate_expires_at?: string | null
}

/** The same as stored. */
export interface StoredAuth extends OpenAuthFields {
  readonly type: AuthType
  /** The earliest end of the client certificate and those that come with it (RFC 3339). */
  readonly certificate_expires_at?: string
  /** How often its owner was told of that end: 1 when it comes near, 2 when it has passed. */
  readonly certificate_warned?: number
  readonly sealed: Readonly<Partial<Record<AuthSecret, string>>>
}

/** The same as answered: secrets masked. */
export interface AuthAnswer extends OpenAuthFields, Readonly<Partial<Record<AuthSecret, string>>> {
  readonly type: AuthType
  readonly certificate_expires_at?: string
}

/** Which fields a type needs, and which it may have besides. */
export const fieldsOfType = {
  none: { needs: [], takes: [] },
  basic: { needs: ['username', 'password'], takes: [] },
  bearer: { needs: ['token'], takes: [] },
  oauth2: { needs: ['token_url', 'client_id', 'client_secret'], takes: ['client_auth', 'scope', 'audience'] },
  mtls: { needs: ['certificate', 'key'], takes: [] },
} as const satisfies Record<
  AuthType,
  { readonly needs: readonly (keyof AuthFields)[]; readonly takes: readonly (keyof AuthFields)[] }
>

/** Fields of every type. */
export const tlsFields = ['certificate', 'key', 'ca'] as const

export const authLimits = { textChars: 1024, secretChars: 4096, pemChars: 65_536, urlChars: 2048 } as const

const noControls = '^[^\\u0000-\\u001f\\u007f]*$'
const text = (charsMax: number, description: string, pattern: string = noControls) => ({
  type: ['string', 'null'],
  minLength: 1,
  maxLength: charsMax,
  [documentedKey]: { pattern },
  description,
  'x-sentence': `Give a text of 1 to ${charsMax} characters.`,
})
const sealed = `Stored encrypted, shown as ${secretMask}; sent back so, it is kept`
const secret = (description: string, pattern = noControls) =>
  text(authLimits.secretChars, `${description}. ${sealed}`, pattern)
const pem = (description: string) => ({
  type: ['string', 'null'],
  description: `${description}. At most ${authLimits.pemChars} characters`,
})

const words = {
  username: 'Of Basic authentication',
  token_url: 'Where OAuth 2 gives access tokens. The same rules hold for it as for `target_url`',
  client_id: 'Of OAuth 2',
  scope: 'Of OAuth 2; null: none is asked for',
  audience: 'Of OAuth 2, for servers that ask for it; null: none is sent',
  certificate:
    'The certificate that is shown to the receiver (mutual TLS), with those between it and its authority, as PEM. Any type may have it, with `key`',
  ca: 'The only authorities that a certificate of the receiver may come from, as PEM; null: the usual ones. Any type may have it',
}
const clientAuth = {
  enum: [...clientAuths, null],
  'x-sentence': 'Give "basic" or "body", or null for "basic".',
  description: 'Where OAuth 2 sends id and secret: by Basic authentication (null: this), or in the body',
}

export const AuthInput = Type.Unsafe<AuthFields | null>({
  type: ['object', 'null'],
  properties: {
    type: {
      type: ['string', 'null'],
      enum: [...authTypes, null],
      'x-sentence': `Give one of: ${authTypes.join(', ')}.`,
      description:
        '`basic`: `username` and `password`. `bearer`: `token`. `oauth2`: an access token by client credentials, fetched from `token_url`, ' +
        'kept until it ends, and fetched anew once when the receiver answers 401. `mtls`: `certificate` and `key`',
    },
    username: text(authLimits.textChars, words.username, '^[^:\\u0000-\\u001f\\u007f]*$'),
    password: secret('Of Basic authentication'),
    token: secret('Sent as `Authorization: Bearer`', '^[\\x21-\\x7e]+$'),
    token_url: {
      ...text(authLimits.urlChars, words.token_url),
      examples: ['https://auth.example.com/token'],
      [documentedKey]: { format: 'uri', pattern: targetUrlPattern },
    },
    client_id: text(authLimits.textChars, words.client_id),
    client_secret: secret('Of OAuth 2'),
    client_auth: { type: ['string', 'null'], ...clientAuth },
    scope: text(authLimits.textChars, words.scope),
    audience: text(authLimits.textChars, words.audience),
    certificate: pem(words.certificate),
    key: pem(`The private key of \`certificate\`, as PEM without a passphrase. ${sealed}`),
    ca: pem(words.ca),
    certificate_expires_at: {
      type: ['string', 'null'],
      readOnly: true,
      description: 'Set by the service, and ignored here',
    },
  },
  additionalProperties: false,
  description: 'What is shown to the receiver so that it lets deliveries in. Null: nothing',
})

const shown = (description: string) => ({ type: 'string', description })
const masked = { type: 'string', description: `Masked as ${secretMask}` }

export const AuthOutput = Type.Unsafe<AuthAnswer>({
  type: 'object',
  properties: {
    type: { type: 'string', enum: [...authTypes] },
    ...{
      username: shown(words.username),
      password: masked,
      token: masked,
      token_url: shown(words.token_url),
    },
    ...{ client_id: shown(words.client_id), client_secret: masked },
    client_auth: { type: 'string', enum: [...clientAuths], description: clientAuth.description },
    ...{ scope: shown(words.scope), audience: shown(words.audience) },
    ...{ certificate: shown(words.certificate), key: masked, ca: shown(words.ca) },
    certificate_expires_at: {
      type: 'string',
      format: 'date-time',
      description:
        'When the client certificate ends, or the first of those with it. The service warns before',
    },
  },
  required: ['type'],
  additionalProperties: false,
  description: 'What is shown to the receiver so that it lets deliveries in; secrets masked',
})
