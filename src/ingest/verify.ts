import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto'

/**
 * The headers of an inbound signature, in order of precedence: GitHub's name, and two names from the examples in the
 * document this service began from, of which one is a misspelling.
 */
export const signatureHeaders = ['x-hub-signature-256', 'x-hub-signature-25', 'signature'] as const

export type SignatureCheck = 'valid' | 'missing' | 'malformed' | 'wrong'

/**
 * Checks `sha256=<hex>`, an HMAC-SHA256 of the raw body with the secret, in constant time. Only the first header that is
 * present counts.
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
