import { createHash, createHmac, timingSafeEqual, verify } from 'node:crypto'
import type { InboundRequest } from './inbound-request.ts'
import type { Parts, Verification } from './preset.ts'
import { decoded, keyBytes, publicKey } from './secret-keys.ts'
import { contentsOf, readTimestamp } from './signed-content.ts'
import { failed, type RefusalReason, type Verified, type VerifyOptions } from './verified.ts'
import { verifyByCertificate } from './verify-certificate.ts'

/** Whether a request comes from whom it says. Comparisons are in constant time. */
export function verifyRequest(
  verification: Verification,
  request: InboundRequest,
  options: VerifyOptions,
): Verified {
  switch (verification.kind) {
    case 'none':
      return { kind: 'unattempted' }
    case 'token':
      return compareToken(request.partsAt(verification.token)[0], options.secrets)
    case 'basic':
      return compareToken(basicOf(request), options.secrets)
    case 'any':
      return verifyAny(verification.of, request, options)
    case 'hmac':
    case 'public key':
      return verifySignature(verification, request, options)
    case 'certificate':
      return verifyByCertificate(verification, request, options)
  }
}

function verifyAny(ways: readonly Verification[], request: InboundRequest, options: VerifyOptions): Verified {
  let reason: RefusalReason = 'missing_signature'
  for (const way of ways) {
    const result = verifyRequest(way, request, options)
    if (result.kind !== 'failed') return result
    // What is said of a way that was not used says less than what is said of one that was.
    if (rankOf(result.reason) > rankOf(reason)) reason = result.reason
  }
  return failed(reason)
}

function rankOf(reason: RefusalReason): number {
  return ['missing_signature', 'missing_token', 'unusable_secret'].indexOf(reason) + 1 || 4
}

type Signed = Extract<Verification, { kind: 'hmac' | 'public key' }>

function verifySignature(rule: Signed, request: InboundRequest, options: VerifyOptions): Verified {
  const given = request.partsAt(rule.signature)
  if (given.length === 0) return failed('missing_signature')
  const signatures = given.flatMap(text => decoded(text, rule.encoding) ?? [])
  if (signatures.length === 0) return failed('malformed_signature')
  if (rule.id !== undefined && request.textAt(rule.id) === undefined) return failed('missing_id')
  const timestamp = rule.timestamp && readTimestamp(rule.timestamp, request, options)
  if (typeof timestamp === 'object') return timestamp
  if (rule.signed.includes('plain body') && request.plainBody === undefined) return failed('undecodable_body')
  const contents = contentsOf(rule, request, timestamp)
  let isUsable = false
  for (const [index, secret] of options.secrets.entries()) {
    const checks = checkWith(rule, secret)
    if (checks === undefined) continue
    isUsable = true
    if (contents.some(content => checks(content, signatures)))
      return hasOtherBody(rule, request) ?? { kind: 'verified', secret: index }
  }
  return failed(isUsable ? 'signature_mismatch' : 'unusable_secret')
}

/** A check whether one of the signatures is that of the content. Undefined: the secret is none for this rule. */
function checkWith(
  rule: Signed,
  secret: string,
): ((content: Buffer, signatures: readonly Buffer[]) => boolean) | undefined {
  if (rule.kind === 'hmac') {
    const key = keyBytes(secret, rule.key)
    if (key === undefined) return undefined
    return (content, signatures) => {
      const right = createHmac(rule.hash, key).update(content).digest()
      return signatures.some(signature => isSame(right, signature))
    }
  }
  const key = publicKey(secret, rule)
  if (key === undefined) return undefined
  const hash = rule.algorithm === 'ed25519' ? null : 'sha256'
  return (content, signatures) =>
    signatures.slice(0, publicKeySignaturesMax).some(signature => {
      try {
        return verify(hash, content, key, signature)
      } catch {
        return false // a signature that is no DER
      }
    })
}

/** Each reads the whole body again, and nobody has more keys at a time. */
const publicKeySignaturesMax = 5

function hasOtherBody(rule: Signed, request: InboundRequest): Verified | undefined {
  if (rule.kind !== 'hmac' || rule.bodyHash === undefined) return undefined
  const said = request.textAt(rule.bodyHash)
  // A form is signed itself; any other body is signed by its hash only.
  if (said === undefined)
    return [...request.form.keys()].length > 0 || request.body.length === 0
      ? undefined
      : failed('body_hash_mismatch')
  const hash = createHash('sha256').update(request.body).digest('hex')
  return isSame(Buffer.from(hash), Buffer.from(said.toLowerCase())) ? undefined : failed('body_hash_mismatch')
}

function compareToken(given: string | undefined, secrets: readonly string[]): Verified {
  if (given === undefined) return failed('missing_token')
  if (secrets.every(secret => secret === '')) return failed('unusable_secret')
  const found = secrets.findIndex(secret => secret !== '' && isSame(sha256(secret), sha256(given)))
  return found < 0 ? failed('wrong_token') : { kind: 'authenticated', secret: found }
}

function basicOf(request: InboundRequest): string | undefined {
  const parts: Parts = { at: { header: 'authorization' }, prefix: 'Basic ' }
  const [text] = request.partsAt(parts)
  return text === undefined ? undefined : Buffer.from(text, 'base64').toString()
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function isSame(one: Buffer, other: Buffer): boolean {
  return one.length === other.length && timingSafeEqual(one, other)
}
