import type { Subscription } from '../api/schema.ts'
import { textOf } from './header-lines.ts'

// The rarer settings of a subscription as a person edits them: texts, where an empty one stands for what is left out. Secrets are
// never in them but as they are typed: `kept` says which ones the service has.

export type Format = Subscription['format']
export type AuthType = Subscription['auth']['type']
export type Scheme = Exclude<Extract<Subscription['signing']['scheme'], string>, 'none'>

export interface CloudEventsDraft {
  readonly source: string
  readonly type: string
  readonly subject: string
  /** A line each, `name: value`. */
  readonly extensions: string
}

export interface AuthDraft {
  readonly type: AuthType
  readonly username: string
  readonly password: string
  readonly token: string
  readonly token_url: string
  readonly client_id: string
  readonly client_secret: string
  readonly client_auth: 'basic' | 'body'
  readonly scope: string
  readonly audience: string
  readonly certificate: string
  readonly key: string
  readonly ca: string
  /** The type that is stored, and the secrets that are stored with it. */
  readonly kept: { readonly type: AuthType; readonly secrets: readonly string[] }
}

export interface CustomDraft {
  readonly algorithm: 'hmac-sha256' | 'hmac-sha1' | 'hmac-sha512' | 'ed25519'
  readonly encoding: 'hex' | 'base64' | 'base64url'
  readonly key: 'text' | 'base64' | 'hex'
  readonly content: string
  readonly header: string
  readonly value: string
  readonly entry: string
  readonly separator: string
}

/** The headers that belong to signatures, each with its usual name; the number of the attempt is not sent without one. */
export const usualHeaderNames = {
  id: 'webhook-id',
  timestamp: 'webhook-timestamp',
  signature: 'webhook-signature',
  hub_signature: 'X-Hub-Signature-256',
  stripe_signature: 'Stripe-Signature',
  shopify_signature: 'X-Shopify-Hmac-SHA256',
  attempt: '',
} as const
export type HeaderOfSigning = keyof typeof usualHeaderNames
export type HeaderNames = Readonly<Record<HeaderOfSigning, string>>

const noHeaderNames: HeaderNames = {
  ...{ id: '', timestamp: '', signature: '', hub_signature: '' },
  ...{ stripe_signature: '', shopify_signature: '', attempt: '' },
}
export const headersOfSigning = Object.keys(usualHeaderNames) as readonly HeaderOfSigning[] // of the constant above

export interface SigningDraft {
  /** None of them: nothing is signed. */
  readonly schemes: readonly Scheme[]
  readonly components: string
  readonly label: string
  readonly tag: string
  readonly expires_seconds: string
  readonly custom: CustomDraft
  /** Empty: the usual name. */
  readonly headers: HeaderNames
}

export interface InboundDraft {
  /** Empty: what comes is not verified by a preset. */
  readonly preset: string
  readonly secret: string
  /** Whether the secrets that are stored stay good beside the new one. */
  readonly beside: boolean
  readonly tolerance_seconds: string
  readonly require_signature: boolean
  /** How a repeat is known: as the preset says, by places of one's own, or not at all. */
  readonly dedupe: 'preset' | 'own' | 'none'
  /** A line each, such as `header:x-event-id`. */
  readonly dedupe_places: string
  /** The preset that is stored, and how many secrets it has. */
  readonly kept: { readonly preset: string; readonly secrets: number }
}

export interface Extras {
  readonly order: 'none' | 'key' | 'all'
  readonly ordering_key: string
  readonly format: Format
  readonly cloudevents: CloudEventsDraft
  /** A line each, `name: value`. */
  readonly header_templates: string
  readonly auth: AuthDraft
  readonly signing: SigningDraft
  readonly inbound: InboundDraft
}

export const noExtras: Extras = {
  order: 'none',
  ordering_key: '',
  format: 'raw',
  cloudevents: { source: '', type: '', subject: '', extensions: '' },
  header_templates: '',
  auth: {
    type: 'none',
    ...{ username: '', password: '', token: '' },
    ...{ token_url: '', client_id: '', client_secret: '', client_auth: 'basic', scope: '', audience: '' },
    ...{ certificate: '', key: '', ca: '' },
    kept: { type: 'none', secrets: [] },
  },
  signing: {
    ...{ schemes: ['v1'], components: '', label: '', tag: '', expires_seconds: '' },
    custom: {
      ...{ algorithm: 'hmac-sha256', encoding: 'hex', key: 'text' },
      ...{ content: '', header: '', value: '', entry: '', separator: '' },
    },
    headers: noHeaderNames,
  },
  inbound: {
    ...{ preset: '', secret: '', beside: false, tolerance_seconds: '', require_signature: true },
    ...{ dedupe: 'preset', dedupe_places: '' },
    kept: { preset: '', secrets: 0 },
  },
}

/** What is wrong at a place of the body, or within it. */
export type FaultAt = (pointer: string) => string | undefined

/** What a part of the form is given. */
export interface PartProps {
  readonly draft: Extras
  readonly set: (change: Partial<Extras>) => void
  readonly faultAt: FaultAt
}

/** What each type needs or takes, besides certificates, which every type may have. */
export const fieldsOfAuth = {
  none: [],
  basic: ['username', 'password'],
  bearer: ['token'],
  oauth2: ['token_url', 'client_id', 'client_secret', 'client_auth', 'scope', 'audience'],
  mtls: [],
} as const

export const secretFields = ['password', 'token', 'client_secret', 'key'] as const
export type SecretField = (typeof secretFields)[number]
export type AuthField = (typeof fieldsOfAuth)[AuthType][number] | 'certificate' | 'key' | 'ca'

/** What each format is called. */
export const formatNames: Readonly<Record<Format, string>> = {
  raw: 'as it was sent',
  'cloudevents-structured': 'CloudEvents, in one JSON object',
  'cloudevents-binary': 'CloudEvents, in headers',
  slack: 'a text for Slack',
}

/** What each way to be let in is called. */
export const authNames: Readonly<Record<AuthType, string>> = {
  none: 'none',
  basic: 'name and password',
  bearer: 'bearer token',
  oauth2: 'OAuth 2',
  mtls: 'client certificate',
}

export function isCloudEvents(format: Format): boolean {
  return format === 'cloudevents-structured' || format === 'cloudevents-binary'
}

export function signsMessages(schemes: readonly Scheme[]): boolean {
  return schemes.some(scheme => scheme.startsWith('rfc9421-'))
}

export function schemesOf({ scheme }: Subscription['signing']): readonly Scheme[] {
  return [scheme].flat().filter(one => one !== 'none')
}

export function extrasOf(subscription: Subscription): Extras {
  const { ordered, ordering_key: key, format, cloudevents, auth, signing, inbound } = subscription
  const { type, certificate_expires_at: _, ...others } = auth
  const isSecret = (name: string) => secretFields.some(one => one === name)
  const open = Object.fromEntries(Object.entries(others).filter(([name]) => !isSecret(name)))
  const message = signing.message_signature
  return {
    order: key !== null ? 'key' : ordered ? 'all' : 'none',
    ordering_key: key ?? '',
    format,
    cloudevents: {
      source: cloudevents?.source ?? '',
      type: cloudevents?.type ?? '',
      subject: cloudevents?.subject ?? '',
      extensions: textOf(cloudevents?.extensions ?? {}),
    },
    header_templates: textOf(subscription.header_templates),
    auth: {
      ...noExtras.auth,
      ...open,
      type,
      kept: { type, secrets: secretFields.filter(name => others[name] !== undefined) },
    },
    signing: {
      schemes: schemesOf(signing),
      components: (message?.components ?? []).join(', '),
      label: message?.label ?? '',
      tag: message?.tag ?? '',
      expires_seconds: String(message?.expires_seconds ?? ''),
      custom: customOf(signing.custom),
      headers: headerNamesOf(signing.headers),
    },
    inbound: {
      ...noExtras.inbound,
      preset: inbound?.preset ?? '',
      tolerance_seconds: String(inbound?.tolerance_seconds ?? ''),
      require_signature: inbound?.require_signature ?? true,
      dedupe: inbound?.dedupe == null ? 'preset' : inbound.dedupe.length === 0 ? 'none' : 'own',
      dedupe_places: (inbound?.dedupe ?? []).join('\n'),
      kept: { preset: inbound?.preset ?? '', secrets: inbound?.secrets.length ?? 0 },
    },
  }
}

/** What is as usual is left empty, as it is when it is written. */
function customOf(custom: Subscription['signing']['custom']): CustomDraft {
  if (custom === null) return noExtras.signing.custom
  const unlessUsual = (text: string, usual: string) => (text === usual ? '' : text)
  return {
    ...custom,
    value: unlessUsual(custom.value, '{signature}'),
    entry: unlessUsual(custom.entry, '{signature}'),
    separator: unlessUsual(custom.separator, ','),
  }
}

function headerNamesOf(headers: Subscription['signing']['headers']): HeaderNames {
  const own = headersOfSigning.map(name => {
    const given = headers[name] ?? ''
    return [name, given === usualHeaderNames[name] ? '' : given] as const
  })
  return { ...noHeaderNames, ...Object.fromEntries(own) }
}

/** Whether the service has a secret that stays when nothing is typed: of another type it does not. */
export function keepsSecret({ type, kept }: AuthDraft, name: SecretField): boolean {
  return kept.secrets.includes(name) && (name === 'key' || type === kept.type)
}
