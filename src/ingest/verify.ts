import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto'

/**
 * The headers of an inbound signature, in order of precedence: GitHub's name, and two names from the examples in the
 * document this service began from, of which one is a misspelling.
 */
export const signatureHeaders = ['x-hub-signature-256', 'x-hub-signature-25', 'signature'] as const

/** A signature as it was given, not checked yet: its 64 hex digits. */
export interface GivenSignature {
  readonly hex: string
}

/**
 * Reads `sha256=<hex>`. Only the first header that is present counts.
 *
 * @param header reads a request header by its lower-case name
 */
export function readSignature(
  header: (name: string) => string | undefined,
): GivenSignature | 'missing' | 'malformed' {
  const given = signatureHeaders.map(header).find(value => value !== undefined)
  if (given === undefined) return 'missing'
  const hex = /^\s*sha256=([0-9a-f]{64})\s*$/i.exec(given)?.[1]
  return hex === undefined ? 'malformed' : { hex }
}

/** Whether it is the HMAC-SHA256 of the raw body with the secret; in constant time. */
export function isSignedWith(secret: KeyObject, { hex }: GivenSignature, body: Uint8Array): boolean {
  return timingSafeEqual(Buffer.from(hex, 'hex'), createHmac('sha256', secret).update(body).digest())
}
