import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto'

/**
 * The headers an inbound signature may come in, in order of precedence: the standard name of GitHub's receivers, and
 * the two names of the seed document, one of them misspelt there, which its examples use.
 */
export const signatureHeaders = ['x-hub-signature-256', 'x-hub-signature-25', 'signature'] as const

export type SignatureCheck = 'valid' | 'missing' | 'malformed' | 'wrong'

/**
 * Checks `sha256=<hex>`, an HMAC-SHA256 with the secret over the raw body, in constant time.
 * The first header that is present decides; another valid one behind it does not help.
 *
 * @param header reads a request header by its lower-case name
 */
export function checkSignature(
  header: (name: string) => string | undefined,
  body: Uint8Array,
  secret: KeyObject,
): SignatureCheck {
  const given = signatureHeaders.map(header).find(value => value !== undefined)
  if (given === undefined) return 'missing'
  const match = /^\s*sha256=([0-9a-f]{64})\s*$/i.exec(given)
  if (!match?.[1]) return 'malformed'
  const expected = createHmac('sha256', secret).update(body).digest()
  return timingSafeEqual(Buffer.from(match[1], 'hex'), expected) ? 'valid' : 'wrong'
}
