import { verify } from 'node:crypto'
import type { InboundRequest } from './inbound-request.ts'
import type { ByText, CertificateRule, Piece, Verification } from './preset.ts'
import { decoded } from './secret-keys.ts'
import { bytesOf, readTimestamp } from './signed-content.ts'
import { failed, type Verified, type VerifyOptions } from './verified.ts'

/**
 * The certificate that has to be fetched before a request can be verified; undefined: none. Only one of the provider's own
 * host is asked for, and only for who has sent it before: nobody else makes this service connect to anywhere.
 */
export function certificateWanted(
  verification: Verification,
  request: InboundRequest,
  options: VerifyOptions,
): string | undefined {
  if (verification.kind !== 'certificate') return undefined
  const found = beforeCertificate(verification, request, options)
  return 'url' in found ? found.url : undefined
}

/** All that can be said without the certificate. */
function beforeCertificate(
  rule: CertificateRule,
  request: InboundRequest,
  options: VerifyOptions,
): Verified | CertificateParts {
  const [signature] = request.partsAt(rule.signature)
  if (signature === undefined) return failed('missing_signature')
  const bytes = decoded(signature, rule.encoding)
  const hash = valueBy(rule.hash, request)
  const pieces = valueBy(rule.signed, request)
  if (bytes === undefined || hash === undefined || pieces === undefined) return failed('malformed_signature')
  const { sender } = rule
  if (sender !== undefined && !options.secrets.includes(request.textAt(sender) ?? ''))
    return failed('unknown_sender')
  if (rule.id !== undefined && request.textAt(rule.id) === undefined) return failed('missing_id')
  const timestamp = rule.timestamp && readTimestamp(rule.timestamp, request, options)
  if (typeof timestamp === 'object') return timestamp
  const url = request.textAt(rule.url)
  if (url === undefined || !rule.urlPattern.test(url)) return failed('foreign_certificate')
  return { url, hash, pieces, timestamp, signature: bytes }
}

interface CertificateParts {
  readonly url: string
  readonly hash: 'sha1' | 'sha256'
  readonly pieces: readonly Piece[]
  readonly timestamp: string | undefined
  readonly signature: Buffer
}

function valueBy<T>({ at, values }: ByText<T>, request: InboundRequest): T | undefined {
  const text = request.textAt(at)
  return text !== undefined && Object.hasOwn(values, text) ? values[text] : undefined
}

/** Whether the provider has signed a request, by a certificate that was fetched before. */
export function verifyByCertificate(
  rule: CertificateRule,
  request: InboundRequest,
  options: VerifyOptions,
): Verified {
  const found = beforeCertificate(rule, request, options)
  if (!('url' in found)) return found
  const key = options.certificateKey?.(found.url)
  // The presets name RSA; with a key of another kind the same call would check something else, or throw.
  if (key?.asymmetricKeyType !== 'rsa') return failed('certificate_unavailable')
  const id = rule.id && request.textAt(rule.id)
  const index = options.secrets.findIndex(secret => {
    if (rule.sender !== undefined && secret !== request.textAt(rule.sender)) return false
    const known = { url: '', timestamp: found.timestamp, id, secret }
    const pieces = found.pieces.map(piece => bytesOf(piece, request, known))
    const content = Buffer.concat(pieces.map(one => (typeof one === 'string' ? Buffer.from(one) : one)))
    return verify(found.hash, content, key, found.signature)
  })
  return index < 0 ? failed('signature_mismatch') : { kind: 'verified', secret: index }
}
