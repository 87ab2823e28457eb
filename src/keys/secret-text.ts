import { hash, randomBytes } from 'node:crypto'

/** A key or token that was just made. Its text is shown once; what is kept are hash and prefix. */
export interface SecretText {
  /** `whk_` (key), `whp_` (portal token) or `whs_` (session), and 43 characters that nobody can guess: 256 bits. */
  readonly text: string
  readonly hash: Buffer
  readonly prefix: string
}

/**
 * Of a key, shown for people to recognise it: of the 43 random characters 4, so that 39 are left to be guessed.
 */
const prefixChars = 'whk_'.length + 4

export function newSecretText(kind: 'whk' | 'whp' | 'whs'): SecretText {
  return secretTextOf(`${kind}_${randomBytes(32).toString('base64url')}`)
}

/** The same of a key that somebody else has made. */
export function secretTextOf(text: string): SecretText {
  return { text, hash: Buffer.from(hashOf(text), 'hex'), prefix: text.slice(0, prefixChars) }
}

/**
 * SHA-256 in lower-case hex. Not a slow hash as for passwords: 256 random bits cannot be tried out, and each request is
 * checked.
 */
export function hashOf(text: string): string {
  return hash('sha256', text)
}
