import type { FieldError } from '../errors.ts'
import { charsOf } from '../http/metadata.ts'
import { documentedKey } from '../http/validation.ts'
import {
  attemptPlaceholders,
  compileTemplate,
  type MessageTemplate,
  type PlaceholderName,
  signaturePlaceholders,
  signedPlaceholders,
  usesPlaceholder,
} from '../model/message-template.ts'
import type { ExpiringKey } from './expiring-key.ts'
import { fieldNameFault, fieldNamePattern, headerNameCharsMax } from './header-names.ts'
import { headerLiteralFault } from './header-templates.ts'

export const customAlgorithms = ['hmac-sha256', 'hmac-sha1', 'hmac-sha512', 'ed25519'] as const
export type CustomAlgorithm = (typeof customAlgorithms)[number]
export const customEncodings = ['hex', 'base64', 'base64url'] as const
export type CustomEncoding = (typeof customEncodings)[number]
/** How the signing secret becomes the bytes of the key. */
export const customKeyForms = ['text', 'base64', 'hex'] as const
export type CustomKeyForm = (typeof customKeyForms)[number]

/** A signature that a caller describes, as sent or stored; null or left out: the default, where there is one. */
export interface CustomSignatureFields {
  algorithm?: CustomAlgorithm | null
  encoding?: CustomEncoding | null
  key?: CustomKeyForm | null
  content?: string
  header?: string
  value?: string | null
  entry?: string | null
  separator?: string | null
}

/** The same with defaults filled in. */
export interface CustomSignatureAnswer {
  readonly algorithm: CustomAlgorithm
  readonly encoding: CustomEncoding
  readonly key: CustomKeyForm
  readonly content: string
  readonly header: string
  readonly value: string
  readonly entry: string
  readonly separator: string
}

/** The same as the path of an event needs it. */
export interface CustomSignatureRules {
  readonly algorithm: CustomAlgorithm
  readonly encoding: CustomEncoding
  readonly content: MessageTemplate
  readonly header: string
  readonly value: MessageTemplate
  readonly entry: MessageTemplate
  readonly separator: string
  /** Newest first. */
  readonly keys: readonly ExpiringKey[]
}

export const customSignatureLimits = { templateChars: 512, separatorChars: 8 } as const

const choice = (values: readonly string[], description: string) => ({
  type: ['string', 'null'],
  enum: [...values, null],
  'x-sentence': `Give one of: ${values.join(', ')}.`,
  description,
})
const template = (type: string | readonly string[], description: string, example: string) => ({
  type,
  description: `${description}. At most ${customSignatureLimits.templateChars} characters`,
  examples: [example],
})

/** The schema of what is sent. */
export const customSignatureInput = {
  type: ['object', 'null'],
  properties: {
    algorithm: choice(
      customAlgorithms,
      'Null: `hmac-sha256`. `ed25519` signs with the key pair of `signing_public_key`',
    ),
    encoding: choice(customEncodings, 'How the signature is written; null: `hex`'),
    key: choice(
      customKeyForms,
      'The key of an HMAC: the whole `signing_secret` as text (null: this), or the bytes that it is in base64 (after `whsec_`, if that is there) or hex',
    ),
    content: template(
      'string',
      'What is signed: `{body}`, `{id}`, `{timestamp}` (Unix seconds), `{timestamp_ms}`, `{method}`, `{url}`, `{path}`, `{event_id}`, `{event_type}`, ' +
        '`{tenant}`, `{subscription_id}`, `{created_at}`, `{attempt}` and `{metadata.NAME}` stand for values, `{{` and `}}` for braces',
      '{timestamp}.{body}',
    ),
    header: {
      type: 'string',
      minLength: 1,
      maxLength: headerNameCharsMax,
      [documentedKey]: { pattern: fieldNamePattern },
      description: 'The header that holds the signature',
      examples: ['X-Acme-Signature'],
    },
    value: template(
      ['string', 'null'],
      'Its value; null: `{signature}`. `{signature}` is one signature: while a secret is being replaced that of the older one, which ' +
        'all receivers have. `{signatures}` is one `entry` for each secret in force, newest first. All placeholders of `content` but those of the request can stand in it, too',
      't={timestamp},{signatures}',
    ),
    entry: template(['string', 'null'], 'One of `{signatures}`; null: `{signature}`', 'v1={signature}'),
    separator: {
      type: ['string', 'null'],
      minLength: 1,
      maxLength: customSignatureLimits.separatorChars,
      [documentedKey]: { pattern: '^[\\x20-\\x7e]+$' },
      description: 'Between the entries; null: a comma',
    },
  },
  additionalProperties: false,
  description:
    'The signature of the scheme `custom`, as another service makes it. It needs `content` and `header`',
}

export const customSignatureOutput = {
  type: ['object', 'null'],
  properties: {
    algorithm: { type: 'string', enum: [...customAlgorithms] },
    encoding: { type: 'string', enum: [...customEncodings] },
    key: { type: 'string', enum: [...customKeyForms] },
    ...Object.fromEntries(
      ['content', 'header', 'value', 'entry', 'separator'].map(name => [name, { type: 'string' }]),
    ),
  },
  required: ['algorithm', 'encoding', 'key', 'content', 'header', 'value', 'entry', 'separator'],
  additionalProperties: false,
  description: 'The signature of the scheme `custom`, defaults filled in; null: there is none',
}

export function customSignatureAnswer(fields: CustomSignatureFields): CustomSignatureAnswer {
  return {
    algorithm: fields.algorithm ?? 'hmac-sha256',
    encoding: fields.encoding ?? 'hex',
    key: fields.key ?? 'text',
    content: fields.content ?? '',
    header: fields.header ?? '',
    value: fields.value ?? '{signature}',
    entry: fields.entry ?? '{signature}',
    separator: fields.separator ?? ',',
  }
}

/** What is wrong with it. */
export function customSignatureFaults(fields: CustomSignatureFields): readonly FieldError[] {
  const errors: FieldError[] = []
  const say = (field: string, detail: string | undefined) => {
    if (detail !== undefined) errors.push({ pointer: `/signing/custom/${field}`, detail })
  }
  const { content, header, value, entry, separator } = customSignatureAnswer(fields)
  if (content === '') say('content', 'Say what is signed, such as {timestamp}.{body}')
  else say('content', faultOf(content, signedPlaceholders))
  if (header === '') say('header', 'Say which header holds the signature, such as X-Acme-Signature.')
  else say('header', fieldNameFault(header))
  say('value', faultOf(value, signaturePlaceholders) ?? signatureFault(value))
  say(
    'entry',
    faultOf(entry, entryPlaceholders) ??
      (entry.includes('{signature}') ? undefined : 'Put {signature} in it.'),
  )
  if (!/^[\x20-\x7e]*$/.test(separator)) say('separator', 'Give visible ASCII characters and spaces.')
  return errors
}

const entryPlaceholders = [...attemptPlaceholders, 'signature'] as const

function faultOf(text: string, allowed: readonly PlaceholderName[]): string | undefined {
  if (text === '' || charsOf(text) > customSignatureLimits.templateChars)
    return `Give a text of 1 to ${customSignatureLimits.templateChars} characters.`
  const compiled = compileTemplate(text, allowed)
  if (compiled.kind === 'invalid') return compiled.detail
  return allowed === signedPlaceholders ? undefined : headerLiteralFault(compiled.template)
}

function signatureFault(value: string): string | undefined {
  const template = opened(value, signaturePlaceholders)
  const one = usesPlaceholder(template, 'signature')
  return one === usesPlaceholder(template, 'signatures')
    ? 'Put either {signature} or {signatures} in it.'
    : undefined
}

/**
 * @param keys newest first
 * @throws Error for one that an operator has written into the database by hand
 */
export function openCustomSignature(
  fields: CustomSignatureFields,
  keys: readonly ExpiringKey[],
): CustomSignatureRules {
  const { algorithm, encoding, content, header, value, entry, separator } = customSignatureAnswer(fields)
  return {
    ...{ algorithm, encoding, header, separator, keys },
    content: opened(content, signedPlaceholders),
    value: opened(value, signaturePlaceholders),
    entry: opened(entry, entryPlaceholders),
  }
}

function opened(text: string, allowed: readonly PlaceholderName[]): MessageTemplate {
  const compiled = compileTemplate(text, allowed)
  if (compiled.kind === 'invalid') throw new Error(`a template cannot be used: ${compiled.detail}`)
  return compiled.template
}
