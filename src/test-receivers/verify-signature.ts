import { createSecretKey, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { signatures } from '../deliver/signatures.ts'
import { headersOf } from '../subscriptions/signing.ts'
import { parseSigningSecret } from '../subscriptions/signing-secret.ts'
import type { SigningKey, Subscription, TextKey } from '../subscriptions/subscription.ts'
import type { SignatureWord } from './schema.ts'
import { findingsOf, type SignedRequest } from './verify-more.ts'

export interface Verified {
  readonly signature: SignatureWord
  /** Why it is not valid. */
  readonly detail: string | null
  /** Whose secret it was made with. */
  readonly subscriptionId: number | null
}

/** What signs: a subscription, or a secret that was given. */
export type Signer = Pick<Subscription, 'signingKeys' | 'textKeys' | 'signingHeaders'>

/** How far the time of a signature may be from now, as Standard Webhooks says it. */
const toleranceSeconds = 300

/**
 * Verifies a request as its receiver would: with the secret that the receiver was given, else with those of the
 * subscriptions that lead to it, of which one is enough.
 *
 * @param now Unix milliseconds
 */
export function verifyRequest(
  request: SignedRequest,
  secret: string | null,
  subscriptions: readonly Subscription[],
  now: number,
): Verified {
  if (secret !== null) {
    const fault = signatureFault(request, signerOf(secret, request.headers), now)
    return { ...wordFor(fault), subscriptionId: null }
  }
  let first: string | undefined
  let reason: string | undefined
  for (const subscription of subscriptions) {
    const found = findingOf(request, subscription, now)
    if (found.kind === 'right') return { ...wordFor(undefined), subscriptionId: subscription.id }
    if (found.kind === 'fault') first ??= found.detail
    if (found.kind === 'unknown') reason ??= found.detail
  }
  if (first !== undefined) return { ...wordFor(first), subscriptionId: null }
  const detail =
    reason ??
    (subscriptions.length > 0
      ? 'The subscription that leads here does not sign.'
      : 'No subscription leads here, and no signing_secret was given.')
  return { signature: 'unchecked', detail, subscriptionId: null }
}

type Found =
  | { readonly kind: 'right' | 'nothing' }
  | { readonly kind: 'fault' | 'unknown'; readonly detail: string }

/** All that a subscription signs has to be right; what cannot be told counts only where there is nothing else. */
function findingOf(request: SignedRequest, to: Subscription, now: number): Found {
  const isUsual = to.signingKeys.length + to.textKeys.length > 0
  const fault = isUsual ? signatureFault(request, to, now) : undefined
  if (fault !== undefined) return { kind: 'fault', detail: fault }
  const found = findingsOf(request, to, now)
  const wrong = found.find(one => one?.kind === 'fault')
  if (wrong !== undefined) return wrong
  if (isUsual || found.includes(undefined)) return { kind: 'right' }
  return found[0] ?? { kind: 'nothing' }
}

function wordFor(fault: string | undefined): Pick<Verified, 'signature' | 'detail'> {
  return fault === undefined ? { signature: 'valid', detail: null } : { signature: 'invalid', detail: fault }
}

/** A secret signs in the ways that the request has headers of. */
function signerOf(secret: string, headers: IncomingHttpHeaders): Signer {
  const names = headersOf({})
  const parsed = parseSigningSecret(secret)
  const has = (name: string) => headers[name.toLowerCase()] !== undefined
  const key = createSecretKey(secret, 'utf8')
  const textKeys: TextKey[] = (
    [
      ['hub-sha256', names.hub_signature],
      ['stripe-sha256', names.stripe_signature],
      ['shopify-sha256', names.shopify_signature],
    ] as const
  )
    .filter(([, name]) => has(name))
    .map(([scheme]) => ({ scheme, key, expiresAt: null }))
  const isStandard = parsed.kind === 'key' && (has(names.signature) || textKeys.length === 0)
  const signingKeys: SigningKey[] =
    isStandard && parsed.kind === 'key'
      ? [{ scheme: 'v1', key: createSecretKey(parsed.key), expiresAt: null }]
      : []
  return { signingKeys, textKeys, signingHeaders: names }
}

/** What is wrong with the signatures of a request; undefined: all that the signer makes are there and right. */
function signatureFault({ headers, body }: SignedRequest, signer: Signer, now: number): string | undefined {
  const { signingHeaders: names } = signer
  const id = textOf(headers, names.id)
  const timestamp = timestampOf(headers, names)
  const isTimed =
    signer.signingKeys.length > 0 || signer.textKeys.some(({ scheme }) => scheme === 'stripe-sha256')
  if (signer.signingKeys.length > 0 && id === '') return `The header ${names.id} is missing.`
  if (isTimed && timestamp === undefined)
    return `The header ${names.timestamp} is missing, or no time in seconds.`
  if (isTimed && Math.abs((timestamp ?? 0) - now / 1000) > toleranceSeconds)
    return 'The time of the signature is more than five minutes away from now.'
  const expected = signatures(signer, id, timestamp ?? 0, body, now)
  if (expected.length === 0) return 'The secret does not fit the way in which the request is signed.'
  for (let at = 0; at + 1 < expected.length; at += 2) {
    const [name = '', value = ''] = [expected[at], expected[at + 1]]
    const received = textOf(headers, name)
    if (received === '') return `The header ${name} is missing.`
    if (!agree(received, value)) return `The signature in ${name} was not made with this secret and body.`
  }
  return undefined
}

function textOf(headers: IncomingHttpHeaders, name: string): string {
  return headers[name.toLowerCase()]?.toString() ?? ''
}

/** Unix seconds: of the header for it, else within the signature as Stripe writes it. */
function timestampOf(headers: IncomingHttpHeaders, names: Signer['signingHeaders']): number | undefined {
  const own = textOf(headers, names.timestamp)
  const text = own === '' ? /\bt=(\d+)/.exec(textOf(headers, names.stripe_signature))?.[1] : own
  return text !== undefined && /^\d{1,12}$/.test(text) ? Number(text) : undefined
}

/** Of several entries one is enough, as with two secrets in force. */
function agree(received: string, expected: string): boolean {
  const wanted = entriesOf(expected)
  return entriesOf(received).some(entry => wanted.some(one => isEqual(entry, one)))
}

/** `v1,a v1,b` and `t=1,v1=a,v1=b`, without the time, which is compared by itself. */
function entriesOf(value: string): readonly string[] {
  const parts = value.startsWith('t=') ? value.split(',') : value.split(' ')
  return parts.filter(part => part !== '' && !part.startsWith('t='))
}

function isEqual(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)]
  return a.length === b.length && timingSafeEqual(a, b)
}
