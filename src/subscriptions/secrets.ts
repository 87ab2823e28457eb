import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import type { Sealer } from '../platform/seal.ts'
import { retryPolicy, type SecretWish, type SubscriptionDefaults } from './rules.ts'
import type { SealedSecret, SubscriptionRow } from './store.ts'
import type { Subscription } from './subscription.ts'

const secretContext = (id: number) => `subscription:${id}:secret`
const signingContext = (id: number) => `subscription:${id}:signing_secret`

/** A new outbound secret in the form of Standard Webhooks, and the same sealed for its row. */
export function makeSigningSecret(
  seal: Sealer,
  id: number,
): { readonly secret: string; readonly sealed: SealedSecret } {
  const secret = `whsec_${randomBytes(32).toString('base64')}`
  return { secret, sealed: { sealed: seal.seal(secret, signingContext(id)), expires_at: null } }
}

/** The inbound secret to store, sealed; `before` is the sealed one there is. */
export function sealSecret(seal: Sealer, id: number, wish: SecretWish, before: string | null): string | null {
  switch (wish.kind) {
    case 'keep':
      return before
    case 'remove':
      return null
    case 'set':
      return seal.seal(wish.secret, secretContext(id))
  }
}

/**
 * A row as the path of an event needs it: parsed, its secrets opened, defaults filled in.
 *
 * @throws Error when a secret was sealed with a key that is not at hand, or was changed
 */
export function openSubscription(
  row: SubscriptionRow,
  seal: Sealer,
  defaults: SubscriptionDefaults,
): Subscription {
  const url = new URL(row.target_url)
  return {
    id: row.id,
    tenant: row.tenant,
    targetUrl: row.target_url,
    origin: url.origin,
    path: url.pathname + url.search,
    secret: row.secret === null ? null : textKey(seal.open(row.secret, secretContext(row.id))),
    signingKeys: row.signing_secrets.map(({ sealed, expires_at: expiresAt }) => ({
      key: whsecKey(seal.open(sealed, signingContext(row.id))),
      expiresAt: expiresAt === null ? null : Date.parse(expiresAt),
    })),
    eventTypes: row.event_types === null ? null : new Set(row.event_types),
    paused: row.paused,
    retry: retryPolicy(row.retry, defaults.retry),
    timeoutMs: row.timeout_ms ?? defaults.timeoutMs,
    maxInFlight: row.max_in_flight ?? defaults.maxInFlight,
    version: row.version,
  }
}

/** The key behind `whsec_` and base64 (Standard Webhooks). */
function whsecKey(secret: string): KeyObject {
  return createSecretKey(secret.slice('whsec_'.length), 'base64')
}

/** The key of an inbound secret: its UTF-8 bytes. */
function textKey(secret: string): KeyObject {
  return createSecretKey(secret, 'utf8')
}
