import { createHmac, type KeyObject, sign } from 'node:crypto'
import type { ExpiringKey, SigningKey } from '../subscriptions/subscription.ts'

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
 * The value of `X-Hub-Signature-256`, as GitHub signs: HMAC-SHA256 over the body alone. Receivers compare it whole, so
 * there is room for one: until the overlap of a rotation ends, the secret that all of them have, as Shopify does it.
 *
 * @param keys newest first; the last one that is live signs
 */
export function hubSignature(
  keys: readonly ExpiringKey[],
  body: Uint8Array,
  now: number,
): string | undefined {
  const oldest = keys.findLast(({ expiresAt }) => expiresAt === null || expiresAt > now)
  return oldest && `sha256=${createHmac('sha256', oldest.key).update(body).digest('hex')}`
}
