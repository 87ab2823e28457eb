import { Type } from 'typebox'
import type { FieldError } from '../errors.ts'
import { documentedKey } from '../http/validation.ts'
import { fieldNameFault, fieldNamePattern, headerNameCharsMax } from './header-names.ts'

/** The schemes of GitHub, Stripe and Shopify. Their key is the whole text of the signing secret. */
export const textSchemes = ['hub-sha256', 'stripe-sha256', 'shopify-sha256'] as const
export type TextScheme = (typeof textSchemes)[number]

export const signingSchemes = ['v1', 'v1a', ...textSchemes] as const
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
}

/** How deliveries are signed, defaults filled in, as the API shows it. One scheme is a word, several are a list. */
export interface SigningAnswer {
  readonly scheme: SigningScheme | 'none' | readonly SigningScheme[]
  readonly headers: SigningHeaders
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

const schemeSentence =
  'Give "v1", "v1a", "hub-sha256", "stripe-sha256", "shopify-sha256" or "none", or a list of several but "none", each once.'
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
    'is the whole text of `signing_secret`, prefix included. A list signs in several ways at once.',
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
  properties: { scheme: scheme([]), headers: headersOutput },
  required: ['scheme', 'headers'],
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
  return { scheme: schemes.length > 1 ? schemes : only, headers: headersOf(fields) }
}

/** The fields that differ from the default, as they are stored. */
export function signingOverrides(fields: SigningFields): SigningFields {
  const { scheme, headers } = signingAnswer(fields)
  const own = Object.entries(headers).filter(
    ([name, value]) => value !== usualHeaders[name as keyof SigningHeaders], // the same names
  )
  return {
    ...(scheme === 'v1' ? {} : { scheme }),
    ...(own.length === 0 ? {} : { headers: Object.fromEntries(own) }),
  }
}

/** Applies a merge patch to what is stored. */
export function mergeSigning(stored: SigningFields, patch: SigningFields | null | undefined): SigningFields {
  if (patch === null) return {}
  if (patch?.headers === undefined) return { ...stored, ...patch }
  const headers = patch.headers === null ? {} : { ...stored.headers, ...patch.headers }
  return { ...stored, ...patch, headers }
}

/** What is wrong with the header names: no valid name, a reserved one, or the same one twice. */
export function signingFaults(fields: SigningFields): readonly FieldError[] {
  const errors: FieldError[] = []
  const seen = new Set<string>()
  for (const [field, name] of Object.entries(headersOf(fields))) {
    if (name === null) continue
    const pointer = `/signing/headers/${field}`
    const detail = fieldNameFault(name)
    if (detail !== undefined) errors.push({ pointer, detail })
    else if (seen.has(name.toLowerCase())) errors.push({ pointer, detail: 'Give each header another name.' })
    seen.add(name.toLowerCase())
  }
  return errors
}
