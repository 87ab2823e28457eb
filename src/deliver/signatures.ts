import { createHmac, type KeyObject, sign } from 'node:crypto'
import type { ExpiringKey } from '../subscriptions/expiring-key.ts'
import type { SigningKey, Subscription, TextKey } from '../subscriptions/subscription.ts'

/**
 * The headers that sign one attempt, names and values in turn, as the subscription asks for them.
 *
 * @param timestamp Unix seconds of this attempt, as sent in `webhook-timestamp`
 * @param now Unix milliseconds; keys that have expired by then do not sign
 */
export function signatures(
  {
    signingHeaders: names,
    signingKeys,
    textKeys,
  }: Pick<Subscription, 'signingHeaders' | 'signingKeys' | 'textKeys'>,
  id: string,
  timestamp: number,
  body: Uint8Array,
  now: number,
): readonly string[] {
  const list = signatureHeader(signingKeys, id, timestamp, body, now)
  const headers = list === '' ? [] : [names.signature, list]
  if (textKeys.length === 0) return headers
  const of = (scheme: TextKey['scheme']) => textKeys.filter(key => key.scheme === scheme)
  const hub = hubSignature(of('hub-sha256'), body, now)
  if (hub !== undefined) headers.push(names.hub_signature, hub)
  const stripe = stripeSignature(of('stripe-sha256'), timestamp, body, now)
  if (stripe !== undefined) headers.push(names.stripe_signature, stripe)
  const shopify = shopifySignature(of('shopify-sha256'), body, now)
  if (shopify !== undefined) headers.push(names.shopify_signature, shopify)
  return headers
}

/**
 * The value of `webhook-signature` (Standard Webhooks 1.0.0): one entry per live key, in the order given.
 *
 * @param timestamp Unix seconds of this attempt, as sent in `webhook-timestamp`
 * @param now Unix milliseconds; keys that have expired by then do not sign
 * @returns '' when there is no key
 */
export function signatureHeader(
  keys: readonly SigningKey[],
  id: string,
  timestamp: number,
  body: Uint8Array,
  now: number,
): string {
  let header = ''
  for (const { scheme, key, expiresAt } of keys) {
    if (expiresAt !== null && expiresAt <= now) continue
    const signature = (scheme === 'v1' ? signV1 : signV1a)(key, id, timestamp, body)
    header = header === '' ? signature : `${header} ${signature}`
  }
  return header
}

/** A `v1` entry: HMAC-SHA256 with the decoded secret over `id.timestamp.body`. */
export function signV1(key: KeyObject, id: string, timestamp: number, body: Uint8Array): string {
  return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest('base64')}`
}

/** A `v1a` entry: Ed25519 over the same bytes. They are copied, since Ed25519 takes them in one piece. */
export function signV1a(key: KeyObject, id: string, timestamp: number, body: Uint8Array): string {
  const content = Buffer.concat([Buffer.from(`${id}.${timestamp}.`), body])
  return `v1a,${sign(null, content, key).toString('base64')}`
}

/**
 * The value of `X-Hub-Signature-256`, as GitHub signs: HMAC-SHA256 over the body alone, in hex.
 *
 * @param keys newest first
 */
export function hubSignature(
  keys: readonly ExpiringKey[],
  body: Uint8Array,
  now: number,
): string | undefined {
  const oldest = oldestLive(keys, now)
  return oldest && `sha256=${createHmac('sha256', oldest.key).update(body).digest('hex')}`
}

/** The value of `X-Shopify-Hmac-SHA256`, as Shopify signs: HMAC-SHA256 over the body alone, in base64. */
export function shopifySignature(
  keys: readonly ExpiringKey[],
  body: Uint8Array,
  now: number,
): string | undefined {
  const oldest = oldestLive(keys, now)
  return oldest && createHmac('sha256', oldest.key).update(body).digest('base64')
}

/**
 * The value of `Stripe-Signature`, as Stripe signs: `t=` the time and one `v1=` for each live key, in the order given,
 * HMAC-SHA256 over `timestamp.body` in hex.
 */
export function stripeSignature(
  keys: readonly ExpiringKey[],
  timestamp: number,
  body: Uint8Array,
  now: number,
): string | undefined {
  const entries = keys.filter(isLive(now)).map(({ key }) => {
    const hmac = createHmac('sha256', key).update(`${timestamp}.`).update(body)
    return `v1=${hmac.digest('hex')}`
  })
  return entries.length === 0 ? undefined : [`t=${timestamp}`, ...entries].join(',')
}

/**
 * The key of a signature that receivers compare whole, so that there is room for one: until the overlap of a rotation
 * ends, the secret that all of them have, as Shopify does it.
 */
function oldestLive(keys: readonly ExpiringKey[], now: number): ExpiringKey | undefined {
  return keys.findLast(isLive(now))
}

function isLive(now: number): (key: ExpiringKey) => boolean {
  return ({ expiresAt }) => expiresAt === null || expiresAt > now
}
