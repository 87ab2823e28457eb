import { Type } from 'typebox'
import { documentedKey } from '../http/validation.ts'
import { customSignatureAnswer } from './custom-signature.ts'
import { type SigningFields, schemesOf, textSchemes } from './signing.ts'

/** Shown in place of a secret. Sent back, it means: keep the present one. */
export const secretMask = '********'

/** The fault where there is none to keep. */
export const maskedSecret = {
  pointer: '/secret',
  detail: `${secretMask} stands for a secret that is not shown. Give a real one, or leave it out.`,
} as const

/** Bounds for a secret of a caller's own: shorter ones can be guessed, longer ones are of no use. */
const signingSecretChars = { min: 16, max: 256 } as const

/** Visible ASCII, with spaces only between. */
const secretText = /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/

const keyBytes = { min: 24, max: 64 } as const

/** The schema of a secret that a caller may bring. */
export const ownSigningSecret = Type.Optional(
  Type.Unsafe<string | null>({
    type: ['string', 'null'],
    minLength: 1,
    maxLength: signingSecretChars.max,
    [documentedKey]: { minLength: signingSecretChars.min, pattern: secretText.source },
    description:
      'A secret of your own to sign with: `whsec_` and base64 of 24 to 64 bytes, also without the prefix; for ' +
      `the schemes of other services, without \`v1\`, also any ${signingSecretChars.min} ASCII characters or more. Made when it is left out.`,
  }),
)

/**
 * What a text is as a signing secret. The bytes of a `key` sign v1 (Standard Webhooks) and all `textSchemes`; a `text`
 * signs `textSchemes` only.
 */
export type ParsedSigningSecret =
  | { readonly kind: 'key'; readonly key: Buffer }
  | { readonly kind: 'text' }
  | { readonly kind: 'invalid'; readonly detail: string }

/**
 * Reads a signing secret in the forms of the standard: `whsec_` and base64 of 24 to 64 bytes, or without the prefix.
 * Base64 without its padding is refused, because libraries of receivers decode it differently.
 */
export function parseSigningSecret(text: string): ParsedSigningSecret {
  const prefixed = text.startsWith('whsec_')
  const base64 = prefixed ? text.slice('whsec_'.length) : text
  const key = Buffer.from(base64, 'base64')
  if (key.toString('base64') === base64 && key.length >= keyBytes.min && key.length <= keyBytes.max) {
    return { kind: 'key', key }
  }
  if (prefixed) return { kind: 'invalid', detail: `After whsec_ ${wanted}.` }
  if (/^wh[a-z]{2}_/.test(text)) return { kind: 'invalid', detail: 'Give a secret, not a key of a key pair.' }
  const { min, max } = signingSecretChars
  if (text.length < min || text.length > max || !secretText.test(text)) {
    return {
      kind: 'invalid',
      detail: `Give ${min} to ${max} visible ASCII characters, or better ${standard}.`,
    }
  }
  return { kind: 'text' }
}

const standard = `whsec_ and the base64 of ${keyBytes.min} to ${keyBytes.max} random bytes`
const wanted = `give the base64 of ${keyBytes.min} to ${keyBytes.max} bytes, with its padding`

/** What any text signs, as part of a sentence. */
const textSchemesNamed = `${textSchemes.join(', ')}, rfc9421-hmac-sha256 and custom`

/** What keeps a text from being the signing secret of a subscription that signs so. */
export function signingSecretFault(text: string, signing: SigningFields): string | undefined {
  const parsed = parseSigningSecret(text)
  if (parsed.kind === 'invalid') return parsed.detail
  const schemes = schemesOf(signing)
  const { key } = customSignatureAnswer(schemes.includes('custom') ? (signing.custom ?? {}) : {})
  if (key === 'hex' && !isHexKey(text))
    return 'Give the hex digits of 16 to 128 bytes, as signing.custom.key says.'
  if (parsed.kind === 'key') return undefined
  if (key === 'base64') return `Give ${standard}, as signing.custom.key says.`
  const takesText = schemes.some(one => one !== 'v1a' && one !== 'rfc9421-ed25519')
  if (!schemes.includes('v1') && takesText) return undefined
  return `Give ${standard}. Any other text can sign with ${textSchemesNamed} only.`
}

/** Whether a text is a key in hex. */
export function isHexKey(text: string): boolean {
  return /^([0-9a-f]{2}){16,128}$/i.test(text)
}
