import { createHmac, type KeyObject } from 'node:crypto'
import type { SigningKey } from '../subscriptions/subscription.ts'

/**
 * The value of `webhook-signature` (Standard Webhooks 1.0.0): one `v1,<base64>` per live key, newest first, each an
 * HMAC-SHA256 with the decoded key over `id.timestamp.body`.
 *
 * @param timestamp Unix seconds of this attempt, as sent in `webhook-timestamp`
 * @param now Unix milliseconds; keys that have expired by then do not sign
 */
export function signatureHeader(
  keys: readonly SigningKey[],
  id: string,
  timestamp: number,
  body: Uint8Array,
  now: number,
): string {
  let header = ''
  for (const { key, expiresAt } of keys) {
    if (expiresAt !== null && expiresAt <= now) continue
    const signature = signV1(key, id, timestamp, body)
    header = header === '' ? signature : `${header} ${signature}`
  }
  return header
}

/** One `v1` entry. */
export function signV1(key: KeyObject, id: string, timestamp: number, body: Uint8Array): string {
  return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest('base64')}`
}
