import { Type } from 'typebox'
import type { FieldError } from '../errors.ts'
import { documentedKey } from '../http/validation.ts'
import {
  type CustomSignatureAnswer,
  type CustomSignatureFields,
  customSignatureAnswer,
  customSignatureFaults,
  customSignatureInput,
  customSignatureOutput,
} from './custom-signature.ts'
import { fieldNameFault, fieldNamePattern, headerNameCharsMax } from './header-names.ts'
import {
  type MessageSignatureAnswer,
  type MessageSignatureFields,
  messageSignatureAnswer,
  messageSignatureFaults,
  messageSignatureHeaders,
  messageSignatureInput,
  messageSignatureOutput,
} from './message-signature.ts'

/** The schemes of GitHub, Stripe and Shopify. Their key is the whole text of the signing secret. */
export const textSchemes = ['hub-sha256', 'stripe-sha256', 'shopify-sha256'] as const
export type TextScheme = (typeof textSchemes)[number]

/** The schemes of RFC 9421. */
export const messageSchemes = ['rfc9421-hmac-sha256', 'rfc9421-ed25519'] as const

export const signingSchemes = ['v1', 'v1a', ...textSchemes, ...messageSchemes, 'custom'] as const
export type SigningScheme = (typeof signingSchemes)[number]

/** The names of the headers that belong to the signature. `attempt`: null is not sent. */
export interface SigningHeaders {
  readonly id: string
  readonly timestamp: string
  readonly signature: string
  readonly hub_signature: string
  readonly stripe_signature: string
  readonly shopify_signature: string
  readonly attempt: string | null
}

/** How deliveries are signed, as sent or stored; null or left out: the default. */
export interface SigningFields {
  scheme?: SigningScheme | 'none' | readonly SigningScheme[] | null
  headers?: { [Name in keyof SigningHeaders]?: string | null } | null
  message_signature?: MessageSignatureFields | null
  custom?: CustomSignatureFields | null
}

/** How deliveries are signed, defaults filled in, as the API shows it. One scheme is a word, several are a list. */
export interface SigningAnswer {
  readonly scheme: SigningScheme | 'none' | readonly SigningScheme[]
  readonly headers: SigningHeaders
  /** Null: no scheme of RFC 9421 is in force. */
  readonly message_signature: MessageSignatureAnswer | null
  /** Null: there is none. */
  readonly custom: CustomSignatureAnswer | null
}

/** Standard Webhooks writes lower case, the others mixed case. HTTP treats both alike. */
const usualHeaders: SigningHeaders = {
  id: 'webhook-id',
  timestamp: 'webhook-timestamp',
  signature: 'webhook-signature',
  hub_signature: 'X-Hub-Signature-256',
  stripe_signature: 'Stripe-Signature',
  shopify_signature: 'X-Shopify-Hmac-SHA256',
  attempt: null,
}

const schemeSentence = `Give ${signingSchemes.map(name => `"${name}"`).join(', ')} or "none", or a list of several but "none", each once.`
const scheme = (types: readonly object[]) => ({
  anyOf: [
    { type: 'string', enum: [...signingSchemes, 'none'], 'x-sentence': schemeSentence },
    {
      type: 'array',
      items: { type: 'string', enum: signingSchemes, 'x-sentence': schemeSentence },
      minItems: 1,
      uniqueItems: true,
      'x-sentence': schemeSentence,
    },
    ...types,
  ],
  'x-sentence': schemeSentence,
  description:
    '`v1`: HMAC-SHA256 of Standard Webhooks, with `signing_secret`. `v1a`: Ed25519 of Standard Webhooks, verified with ' +
    '`signing_public_key`. `hub-sha256`: HMAC-SHA256 of the body alone in hex, as GitHub signs; `shopify-sha256`: the same ' +
    'in base64, as Shopify signs; `stripe-sha256`: HMAC-SHA256 of time and body, as Stripe signs. The key of these three ' +
    'is the whole text of `signing_secret`, prefix included. `rfc9421-hmac-sha256` and `rfc9421-ed25519`: HTTP message signatures ' +
    '(RFC 9421) with `Content-Digest`, with the key of `v1` and the key pair of `v1a`. `custom`: as `custom` says. ' +
    'A list signs in several ways at once.',
})

const headerDescriptions: Readonly<Record<keyof SigningHeaders, string>> = {
  id: 'The id of the event',
  timestamp: 'The time of the attempt, in Unix seconds',
  signature: 'The list of signatures (v1, v1a)',
  hub_signature: 'The signature of hub-sha256',
  stripe_signature: 'The time and the signatures of stripe-sha256',
  shopify_signature: 'The signature of shopify-sha256',
  attempt: 'The number of the attempt, from 1; not sent unless it has a name, such as `webhook-attempt`',
}
const nameLimits = { minLength: 1, maxLength: headerNameCharsMax, pattern: fieldNamePattern }
const headers = (types: readonly string[], nullable: readonly string[]) => ({
  type: 'object',
  properties: Object.fromEntries(
    Object.entries(headerDescriptions).map(([name, description]) => [
      name,
      { type: name === 'attempt' ? nullable : types, description, [documentedKey]: nameLimits },
    ]),
  ),
  additionalProperties: false,
})

export const SigningInput = Type.Unsafe<SigningFields | null>({
  type: ['object', 'null'],
  properties: {
    scheme: scheme([{ type: 'null' }]),
    headers: {
      ...headers(['string', 'null'], ['string', 'null']),
      type: ['object', 'null'],
      description: 'Other names for these headers',
    },
    message_signature: messageSignatureInput,
    custom: customSignatureInput,
  },
  additionalProperties: false,
  description: 'How deliveries are signed. A field that is left out or null is as in Standard Webhooks v1.',
})

const headersOutput = {
  ...headers(['string'], ['string', 'null']),
  required: Object.keys(headerDescriptions),
}

export const SigningOutput = Type.Unsafe<SigningAnswer>({
  type: 'object',
  properties: {
    scheme: scheme([]),
    headers: headersOutput,
    message_signature: messageSignatureOutput,
    custom: customSignatureOutput,
  },
  required: ['scheme', 'headers', 'message_signature', 'custom'],
  additionalProperties: false,
  description: 'How deliveries are signed, defaults filled in',
})

/** The schemes in force; empty: deliveries carry no signature. */
export function schemesOf(fields: SigningFields): readonly SigningScheme[] {
  const { scheme = null } = fields
  if (scheme === null) return ['v1']
  if (scheme === 'none') return []
  return typeof scheme === 'string' ? [scheme] : scheme
}

/** Whether it signs with the key pair whose public key is shown. */
export function usesKeyPair(fields: SigningFields): boolean {
  const schemes = schemesOf(fields)
  if (schemes.includes('v1a') || schemes.includes('rfc9421-ed25519')) return true
  return schemes.includes('custom') && fields.custom?.algorithm === 'ed25519'
}

/** Whether it signs by RFC 9421. */
export function usesMessageSignature(fields: SigningFields): boolean {
  const schemes = schemesOf(fields)
  return messageSchemes.some(scheme => schemes.includes(scheme))
}

/** The header of the custom signature; undefined: there is none. */
export function customHeaderOf(fields: SigningFields): string | undefined {
  return schemesOf(fields).includes('custom') ? (fields.custom?.header ?? undefined) : undefined
}

/** The header names in force. */
export function headersOf(fields: SigningFields): SigningHeaders {
  const own = fields.headers ?? {}
  return {
    id: own.id ?? usualHeaders.id,
    timestamp: own.timestamp ?? usualHeaders.timestamp,
    signature: own.signature ?? usualHeaders.signature,
    hub_signature: own.hub_signature ?? usualHeaders.hub_signature,
    stripe_signature: own.stripe_signature ?? usualHeaders.stripe_signature,
    shopify_signature: own.shopify_signature ?? usualHeaders.shopify_signature,
    attempt: own.attempt ?? usualHeaders.attempt,
  }
}

export function signingAnswer(fields: SigningFields): SigningAnswer {
  const schemes = schemesOf(fields)
  const [only = 'none'] = schemes
  const headers = headersOf(fields)
  return {
    scheme: schemes.length > 1 ? schemes : only,
    headers,
    message_signature: usesMessageSignature(fields)
      ? messageSignatureAnswer(fields.message_signature ?? {}, headers)
      : null,
    custom: fields.custom ? customSignatureAnswer(fields.custom) : null,
  }
}

/** The fields that differ from the default, as they are stored. */
export function signingOverrides(fields: SigningFields): SigningFields {
  const { scheme, headers } = signingAnswer(fields)
  const own = Object.entries(headers).filter(
    ([name, value]) => value !== usualHeaders[name as keyof SigningHeaders], // the same names
  )
  const message = differing(fields.message_signature ?? {}, messageSignatureAnswer({}, headers))
  const custom = differing(fields.custom ?? {}, customSignatureAnswer({}))
  return {
    ...(scheme === 'v1' ? {} : { scheme }),
    ...(own.length === 0 ? {} : { headers: Object.fromEntries(own) }),
    ...(Object.keys(message).length === 0 ? {} : { message_signature: message }),
    ...(Object.keys(custom).length === 0 ? {} : { custom }),
  }
}

/** The fields of an object that are neither null nor as they are by default. */
function differing<Fields extends object>(fields: Fields, defaults: object): Fields {
  const usual = new Map<string, unknown>(Object.entries(defaults))
  const own = Object.entries(fields).filter(
    ([name, value]) => value !== null && JSON.stringify(value) !== JSON.stringify(usual.get(name)),
  )
  return Object.fromEntries(own) as Fields // some of its fields; all of them may be left out
}

/** Applies a merge patch to what is stored. */
export function mergeSigning(stored: SigningFields, patch: SigningFields | null | undefined): SigningFields {
  if (patch === null) return {}
  const merged = { ...stored, ...patch }
  if (patch?.headers) merged.headers = { ...stored.headers, ...patch.headers }
  if (patch?.message_signature)
    merged.message_signature = { ...stored.message_signature, ...patch.message_signature }
  if (patch?.custom) merged.custom = { ...stored.custom, ...patch.custom }
  return merged
}

/** What is wrong: a header that has no valid name, a reserved one, or that of another; what the schemes say of themselves. */
export function signingFaults(fields: SigningFields): readonly FieldError[] {
  const errors = [...headerFaults(fields)]
  if (fields.message_signature) errors.push(...messageSignatureFaults(fields.message_signature))
  const schemes = schemesOf(fields)
  if (fields.custom) errors.push(...customSignatureFaults(fields.custom))
  else if (schemes.includes('custom')) {
    const detail = 'Say in `custom` how it is made, with content and header at least.'
    errors.push({ pointer: '/signing/custom', detail })
  }
  return errors
}

function headerFaults(fields: SigningFields): readonly FieldError[] {
  const errors: FieldError[] = []
  const seen = new Set<string>(usesMessageSignature(fields) ? messageSignatureHeaders : [])
  const check = (pointer: string, name: string, taken: ReadonlySet<string>) => {
    const detail = fieldNameFault(name)
    if (detail !== undefined) errors.push({ pointer, detail })
    else if (taken.has(name.toLowerCase())) errors.push({ pointer, detail: 'Give each header another name.' })
  }
  for (const [field, name] of Object.entries(headersOf(fields))) {
    if (name === null) continue
    check(`/signing/headers/${field}`, name, seen)
    seen.add(name.toLowerCase())
  }
  const custom = customHeaderOf(fields)
  if (custom && fieldNameFault(custom) === undefined)
    check('/signing/custom/header', custom, sentHeaders(fields))
  return errors
}

/** The headers, in lower case, that the schemes in force send besides that of `custom`. */
function sentHeaders(fields: SigningFields): ReadonlySet<string> {
  const schemes = schemesOf(fields)
  const names = headersOf(fields)
  const sent: (string | null)[] = [names.id, names.timestamp, names.attempt]
  if (schemes.includes('v1') || schemes.includes('v1a')) sent.push(names.signature)
  if (schemes.includes('hub-sha256')) sent.push(names.hub_signature)
  if (schemes.includes('stripe-sha256')) sent.push(names.stripe_signature)
  if (schemes.includes('shopify-sha256')) sent.push(names.shopify_signature)
  if (usesMessageSignature(fields)) sent.push(...messageSignatureHeaders)
  return new Set(sent.flatMap(name => name?.toLowerCase() ?? []))
}
