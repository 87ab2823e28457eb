import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto'

/**
 * A key pair for v1a in the layout of Svix. `secret` is `whsk_` and the base64 of seed and public key, `public` is
 * `whpk_` and the base64 of the public key.
 */
export interface KeyPair {
  readonly secret: string
  readonly public: string
}

/** A new Ed25519 pair. */
export function makeKeyPair(): KeyPair {
  const { d = '', x = '' } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' })
  const [seed, point] = [Buffer.from(d, 'base64url'), Buffer.from(x, 'base64url')]
  return {
    secret: `whsk_${Buffer.concat([seed, point]).toString('base64')}`,
    public: `whpk_${point.toString('base64')}`,
  }
}

/** The private key in the `secret` of a pair. */
export function privateKey(secret: string): KeyObject {
  const bytes = Buffer.from(secret.slice('whsk_'.length), 'base64')
  const [d, x] = [bytes.subarray(0, 32).toString('base64url'), bytes.subarray(32).toString('base64url')]
  return createPrivateKey({ key: { kty: 'OKP', crv: 'Ed25519', d, x }, format: 'jwk' })
}
