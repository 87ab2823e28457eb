import type { KeyObject } from 'node:crypto'
import type { FieldError } from '../errors.ts'
import { documentedKey } from '../http/validation.ts'
import { fieldNamePattern, headerNameCharsMax } from './header-names.ts'

/** How messages are signed by RFC 9421, as sent or stored; null or left out: the default. */
export interface MessageSignatureFields {
  label?: string | null
  components?: readonly string[] | null
  tag?: string | null
  expires_seconds?: number | null
}

/** The same with defaults filled in. */
export interface MessageSignatureAnswer {
  readonly label: string
  readonly components: readonly string[]
  readonly tag: string | null
  readonly expires_seconds: number | null
}

/** A key of RFC 9421, and how its signatures name it. */
export interface MessageSignatureKey {
  readonly algorithm: 'hmac-sha256' | 'ed25519'
  readonly key: KeyObject
  readonly keyId: string
  /** Unix milliseconds after which it no longer signs; null for the newest. */
  readonly expiresAt: number | null
}

/** What the path of an event needs to sign by RFC 9421. */
export interface MessageSignatureRules extends MessageSignatureAnswer {
  /** Each makes a signature of its own, in this order. */
  readonly keys: readonly MessageSignatureKey[]
}

/** The headers that hold such signatures and what they sign of the body; their names are those of the standards. */
export const messageSignatureHeaders = ['signature', 'signature-input', 'content-digest'] as const

/** The derived components that a request to a receiver has (RFC 9421, 2.2). */
const derived = [
  '@method',
  '@target-uri',
  '@authority',
  '@scheme',
  '@request-target',
  '@path',
  '@query',
] as const
export type DerivedComponent = (typeof derived)[number]

export function isDerived(name: string): name is DerivedComponent {
  return derived.some(one => one === name)
}

/** They are not known when the signature is made, or not the same when it is verified. */
const unsignable = new Set([
  'host',
  'content-length',
  'connection',
  'transfer-encoding',
  'signature',
  'signature-input',
])

const labelPattern = '^[a-z*][a-z0-9_.*-]{0,31}$'
const tagPattern = '^[\\x20-\\x7e]{1,128}$'
const limits = { components: 32, expiresSeconds: 86_400 } as const
const fieldName = new RegExp(fieldNamePattern)

/** The schema of what is sent. */
export const messageSignatureInput = {
  type: ['object', 'null'],
  properties: {
    label: {
      type: ['string', 'null'],
      minLength: 1,
      maxLength: 32,
      [documentedKey]: { pattern: labelPattern },
      description:
        'What signatures are called, with a number after it; null: `sig`, so that the first is `sig1`',
    },
    components: {
      type: ['array', 'null'],
      items: { type: 'string' },
      uniqueItems: true,
      'x-sentence': `Give 1 to ${limits.components} components, each once.`,
      description:
        `What is signed: ${derived.map(name => `\`${name}\``).join(', ')}, and names of headers in lower case; \`content-digest\` has to be ` +
        'among them, as it stands for the body. A header that a message does not have is left out. Null: `@method`, `@target-uri`, ' +
        `\`content-digest\`, \`content-type\` and the headers of id and time. At most ${limits.components}`,
    },
    tag: {
      type: ['string', 'null'],
      minLength: 1,
      maxLength: 128,
      [documentedKey]: { pattern: tagPattern },
      description: 'The parameter `tag`; null: none',
    },
    expires_seconds: {
      type: ['integer', 'null'],
      minimum: 1,
      maximum: limits.expiresSeconds,
      'x-sentence': `Give a whole number from 1 to ${limits.expiresSeconds}, or null.`,
      description: 'The parameter `expires`: how long after it was made a signature holds; null: none',
    },
  },
  additionalProperties: false,
  description: 'How `rfc9421-hmac-sha256` and `rfc9421-ed25519` sign (RFC 9421)',
}

export const messageSignatureOutput = {
  type: ['object', 'null'],
  properties: {
    label: { type: 'string' },
    components: { type: 'array', items: { type: 'string' } },
    tag: { type: ['string', 'null'] },
    expires_seconds: { type: ['integer', 'null'] },
  },
  required: ['label', 'components', 'tag', 'expires_seconds'],
  additionalProperties: false,
  description: 'How RFC 9421 signs, defaults filled in; null: it does not',
}

/** @param names the headers of id and time */
export function messageSignatureAnswer(
  fields: MessageSignatureFields,
  names: { readonly id: string; readonly timestamp: string },
): MessageSignatureAnswer {
  return {
    label: fields.label ?? 'sig',
    components: fields.components ?? [
      ...['@method', '@target-uri', 'content-digest', 'content-type'],
      ...[names.id.toLowerCase(), names.timestamp.toLowerCase()],
    ],
    tag: fields.tag ?? null,
    expires_seconds: fields.expires_seconds ?? null,
  }
}

/** What is wrong with it. */
export function messageSignatureFaults(fields: MessageSignatureFields): readonly FieldError[] {
  const errors: FieldError[] = []
  const say = (field: string, detail: string) =>
    errors.push({ pointer: `/signing/message_signature/${field}`, detail })
  const { label, components, tag } = fields
  if (label && !new RegExp(labelPattern).test(label))
    say('label', 'Give 1 to 32 lower-case letters, digits and _ - . *, a letter first.')
  if (tag && !new RegExp(tagPattern).test(tag)) say('tag', 'Give 1 to 128 visible ASCII characters.')
  components?.forEach((name, at) => {
    const detail = componentFault(name)
    if (detail !== undefined) say(`components/${at}`, detail)
  })
  if (components && components.length > limits.components)
    say('components', `Give at most ${limits.components} components.`)
  if (components && !components.includes('content-digest'))
    say('components', 'Give content-digest too: without it the body is not signed.')
  return errors
}

function componentFault(name: string): string | undefined {
  if (name.startsWith('@')) return isDerived(name) ? undefined : `Give one of ${derived.join(', ')}.`
  if (unsignable.has(name)) return `${name} cannot be signed here. For the host sign @authority.`
  if (!fieldName.test(name) || name.length > headerNameCharsMax || name !== name.toLowerCase())
    return 'Give the name of a header in lower case.'
  return undefined
}
