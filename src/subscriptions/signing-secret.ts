import { Type } from 'typebox'
import { textSchemes } from './signing.ts'

/** Stands where a secret is, wherever it is not shown. Sent back, it means: keep the one there is. */
export const secretMask = '********'

/** Of a secret that a caller brings. Shorter texts can be guessed; longer ones are not stored. */
const signingSecretChars = { min: 16, max: 256 } as const

const keyBytes = { min: 24, max: 64 } as const

/** The schema of a secret that a caller may bring. */
export const ownSigningSecret = Type.Optional(
  Type.Unsafe<string | null>({
    type: ['string', 'null'],
    minLength: 1,
    maxLength: signingSecretChars.max,
    description:
      'A secret of your own to sign with: `whsec_` and base64 of 24 to 64 bytes, also without the prefix; for ' +
      `the schemes of other services, without \`v1\`, also any ${signingSecretChars.min} ASCII characters or more. Made when it is left out.`,
  }),
)

/**
 * What a text can be as a signing secret: with `key`, whose bytes sign v1 (Standard Webhooks), or only a text, which
 * can be the key of `textSchemes` alone.
 */
export type ParsedSigningSecret =
  | { readonly kind: 'key'; readonly key: Buffer }
  | { readonly kind: 'text' }
  | { readonly kind: 'invalid'; readonly detail: string }

/**
 * Reads a signing secret in the forms of the standard: `whsec_` and base64 of 24 to 64 bytes, or without the prefix.
 * Strictly, since libraries of receivers differ in what they make of base64 that is not written in full.
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
  if (text.length < min || text.length > max || !/^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(text)) {
    return {
      kind: 'invalid',
      detail: `Give ${min} to ${max} visible ASCII characters, or better ${standard}.`,
    }
  }
  return { kind: 'text' }
}

const standard = `whsec_ and the base64 of ${keyBytes.min} to ${keyBytes.max} random bytes`
const wanted = `give the base64 of ${keyBytes.min} to ${keyBytes.max} bytes, with its padding`

/** For sentences. */
export const textSchemesNamed = textSchemes.join(', ').replace(/, ([^,]*)$/, ' and $1')

/** What keeps a text from being the signing secret for these schemes. */
export function signingSecretFault(text: string, schemes: readonly string[]): string | undefined {
  const parsed = parseSigningSecret(text)
  if (parsed.kind === 'invalid') return parsed.detail
  if (parsed.kind === 'key') return undefined
  if (!schemes.includes('v1') && textSchemes.some(scheme => schemes.includes(scheme))) return undefined
  return `Give ${standard}. Any other text can sign with ${textSchemesNamed} only.`
}
