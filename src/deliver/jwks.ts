import { createPublicKey, type KeyObject } from 'node:crypto'
import type { ExpiringKey } from '../subscriptions/expiring-key.ts'
import type { Subscription } from '../subscriptions/subscription.ts'

/** A public key as RFC 7517 and RFC 8037 write it. `kid` is the `keyid` of signatures by RFC 9421. */
export interface PublicJwk {
  readonly kty: 'OKP'
  readonly crv: 'Ed25519'
  readonly x: string
  readonly kid: string
  readonly alg: 'EdDSA'
  readonly use: 'sig'
}

/**
 * The public keys of the key pairs that sign now, newest first, each once. Empty: it signs with secrets only.
 *
 * @param now Unix milliseconds
 */
export function publicKeysOf(
  { signingKeys, extras }: Pick<Subscription, 'signingKeys' | 'extras'>,
  now: number,
): readonly PublicJwk[] {
  const custom = extras?.customSignature
  const keys: readonly ExpiringKey[] = [
    ...signingKeys.filter(({ scheme }) => scheme === 'v1a'),
    ...(extras?.messageSignature?.keys.filter(({ algorithm }) => algorithm === 'ed25519') ?? []),
    ...(custom?.algorithm === 'ed25519' ? custom.keys : []),
  ]
  const live = keys.filter(({ expiresAt }) => expiresAt === null || expiresAt > now)
  const found = new Map(live.map(({ key }) => jwkOf(key)).map(jwk => [jwk.kid, jwk]))
  return [...found.values()]
}

function jwkOf(key: KeyObject): PublicJwk {
  const { x = '' } = createPublicKey(key).export({ format: 'jwk' })
  const kid = `whpk_${Buffer.from(x, 'base64url').toString('base64')}`
  return { kty: 'OKP', crv: 'Ed25519', x, kid, alg: 'EdDSA', use: 'sig' }
}
