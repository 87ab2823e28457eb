import { createPublicKey, type KeyObject } from 'node:crypto'
import type { KeyForm, Verification } from './preset.ts'

/** The bytes of a text; undefined when it is not written so. */
export function decoded(text: string, encoding: 'hex' | 'base64'): Buffer | undefined {
  const isRight = encoding === 'hex' ? /^([0-9a-f]{2})+$/i.test(text) : /^[A-Za-z0-9+/_-]+={0,2}$/.test(text)
  return isRight ? Buffer.from(text, encoding) : undefined
}

/** The bytes of a key; undefined when the secret has not that form. */
export function keyBytes(secret: string, form: KeyForm): Buffer | undefined {
  switch (form) {
    case 'utf8':
      return secret === '' ? undefined : Buffer.from(secret)
    case 'hex':
      return decoded(secret, 'hex')
    case 'base64':
      return decoded(secret, 'base64')
    case 'whsec':
      return secret.startsWith('whpk_') ? undefined : decoded(secret.replace(/^whsec_/, ''), 'base64')
  }
}

const ed25519Head = Buffer.from('302a300506032b6570032100', 'hex')

/** The public key that a secret is; undefined when it is none that the rule could use. */
export function publicKey(
  secret: string,
  rule: Extract<Verification, { kind: 'public key' }>,
): KeyObject | undefined {
  const bytes = publicKeyBytes(secret, rule.key)
  if (bytes === undefined) return undefined
  try {
    const key = createPublicKey({ key: bytes, format: 'der', type: 'spki' })
    return key.asymmetricKeyType === (rule.algorithm === 'ed25519' ? 'ed25519' : 'ec') ? key : undefined
  } catch {
    return undefined
  }
}

function publicKeyBytes(
  secret: string,
  form: Extract<Verification, { kind: 'public key' }>['key'],
): Buffer | undefined {
  const raw = (bytes: Buffer | undefined) =>
    bytes?.length === 32 ? Buffer.concat([ed25519Head, bytes]) : undefined
  switch (form) {
    case 'raw hex':
      return raw(decoded(secret, 'hex'))
    case 'whpk':
      return secret.startsWith('whpk_') ? raw(decoded(secret.slice(5), 'base64')) : undefined
    case 'spki base64':
      return decoded(secret, 'base64')
  }
}

/** Whether a request could be checked with a secret. */
export function canUse(secret: string, verification: Verification): boolean {
  switch (verification.kind) {
    case 'hmac':
      return keyBytes(secret, verification.key) !== undefined
    case 'public key':
      return publicKey(secret, verification) !== undefined
    case 'certificate':
      return verification.secretPattern.test(secret)
    case 'any':
      return verification.of.some(one => canUse(secret, one))
    case 'basic':
      return secret.includes(':')
    case 'token':
      return secret !== ''
    case 'none':
      return false
  }
}
