import { createHash, createHmac, timingSafeEqual, verify } from 'node:crypto'
import type { InboundRequest } from './inbound-request.ts'
import type { Parts, Piece, TimestampRule, Verification } from './preset.ts'
import { decoded, keyBytes, publicKey } from './secret-keys.ts'

/** Why a request was refused. */
export const refusalReasons = [
  'missing_signature',
  'malformed_signature',
  'signature_mismatch',
  'missing_id',
  'missing_timestamp',
  'malformed_timestamp',
  'timestamp_too_old',
  'timestamp_in_future',
  'missing_token',
  'wrong_token',
  'body_hash_mismatch',
  'unusable_secret',
] as const
export type RefusalReason = (typeof refusalReasons)[number]

export type Verified =
  /** The signature shows who has sent it, and that it is as it was sent. */
  | { readonly kind: 'verified'; readonly secret: number }
  /** A token shows who has sent it. */
  | { readonly kind: 'authenticated'; readonly secret: number }
  /** Nothing was asked for. */
  | { readonly kind: 'unattempted' }
  | { readonly kind: 'failed'; readonly reason: RefusalReason }

export interface VerifyOptions {
  /** As they were given; each is tried. */
  readonly secrets: readonly string[]
  /** Unix milliseconds. */
  readonly now: number
  /** In place of that of the preset. */
  readonly toleranceSeconds?: number | undefined
}

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
  return ['missing_signature', 'unusable_secret'].indexOf(reason) + 1 || 3
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

function failed(reason: RefusalReason): Verified {
  return { kind: 'failed', reason }
}

function readTimestamp(
  { at, unit, toleranceSeconds }: TimestampRule,
  request: InboundRequest,
  options: VerifyOptions,
): string | Verified {
  const [text] = request.partsAt(at)
  if (text === undefined) return failed('missing_timestamp')
  const ms = momentOf(text, unit)
  if (Number.isNaN(ms)) return failed('malformed_timestamp')
  const tolerance = options.toleranceSeconds ?? toleranceSeconds
  if (tolerance === null) return text
  const toleranceMs = tolerance * 1000
  if (ms < options.now - toleranceMs) return failed('timestamp_too_old')
  if (ms > options.now + toleranceMs) return failed('timestamp_in_future')
  return text
}

function momentOf(text: string, unit: TimestampRule['unit']): number {
  if (unit === 'iso') return isoMoment.test(text) ? Date.parse(text) : Number.NaN
  if (!/^\d{1,16}$/.test(text)) return Number.NaN
  return Number(text) * (unit === 's' ? 1000 : 1)
}

const isoMoment = /^\d{4}-\d\d-\d\dT[\d:.]{5,18}(Z|[+-]\d\d:?\d\d)$/

/** What may have been signed: one text, or one for each form of the URL. */
function contentsOf(
  { signed, id }: Signed,
  request: InboundRequest,
  timestamp: string | undefined,
): readonly Buffer[] {
  const forms = signed.includes('url with or without port') ? urlForms(request.publicUrl ?? '') : ['']
  return forms.map(url =>
    Buffer.concat(
      signed.map(piece => {
        const bytes = bytesOf(piece, request, { url, timestamp, id: id && request.textAt(id) })
        return typeof bytes === 'string' ? Buffer.from(bytes) : bytes
      }),
    ),
  )
}

function bytesOf(
  piece: Piece,
  request: InboundRequest,
  known: { readonly url: string; readonly timestamp: string | undefined; readonly id: string | undefined },
): Buffer | string {
  switch (piece) {
    case 'body':
      return request.body
    case 'timestamp':
      return known.timestamp ?? ''
    case 'id':
      return known.id ?? ''
    case 'method':
      return request.method
    case 'url':
      return request.publicUrl ?? ''
    case 'url with or without port':
      return known.url
    case 'url partly decoded':
      return partlyDecoded(request.publicUrl ?? '')
    case 'sorted form':
      return sortedForm(request.form)
    default:
      return request.textAt(piece) ?? ''
  }
}

/** Names in order, each with its values in order, each value once. */
function sortedForm(form: URLSearchParams): string {
  const values = new Map<string, Set<string>>()
  for (const [name, value] of form) values.set(name, (values.get(name) ?? new Set()).add(value))
  return [...values.keys()]
    .sort()
    .flatMap(name => [...(values.get(name) ?? [])].sort().map(value => name + value))
    .join('')
}

/** As the documentation of HubSpot's signature v3 lists them. */
function partlyDecoded(url: string): string {
  return url.replace(/%(3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)/gi, decodeURIComponent)
}

function urlForms(text: string): readonly string[] {
  const match = /^(https?):\/\/([^/?#:]+)(:\d+)?(.*)$/s.exec(text)
  if (match === null) return [text]
  const [, scheme, host, port, rest] = match
  const own = scheme === 'https' ? ':443' : ':80'
  if (port !== undefined && port !== own) return [text, `${scheme}://${host}${rest}`]
  return [`${scheme}://${host}${rest}`, `${scheme}://${host}${own}${rest}`]
}

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
