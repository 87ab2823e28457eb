import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import { type FieldError, validationFailed } from '../errors.ts'
import { compileFilter, type Filter } from '../filters/filter.ts'
import type { Sealer } from '../platform/seal.ts'
import { openAuth, sealAuth } from './auth.ts'
import { headerLimits, headerPointer, isReserved } from './custom-headers.ts'
import type { CustomKeyForm } from './custom-signature.ts'
import { isPattern, segmentsOf } from './event-type-pattern.ts'
import { openInbound, sealInbound } from './inbound-fields.ts'
import { makeKeyPair, privateKey } from './key-pair.ts'
import { type OpenedPair, type OpenedSecret, openExtras } from './message-extras.ts'
import { parseOrderingKey } from './ordering-key.ts'
import { failingStates } from './receiver-states.ts'
import { live } from './rotation.ts'
import {
  connectTimeoutMs,
  type Rules,
  retryPolicy,
  type SealedField,
  type SecretWish,
  type SubscriptionDefaults,
} from './rules.ts'
import { headersOf, type SigningFields, schemesOf, textSchemes, usesKeyPair } from './signing.ts'
import { isHexKey, parseSigningSecret, secretMask, signingSecretFault } from './signing-secret.ts'
import type { PathRow, SealedKeyPair, SealedSecret, SubscriptionRow, SubscriptionValues } from './store.ts'
import type { SigningKey, Subscription, TextKey } from './subscription.ts'
import { usedHeaders } from './used-headers.ts'
import { strictestRate } from './verification.ts'

/** The place of each sealed value. It can be opened with the context of its own place only. */
export const sealContext = {
  secret: (id: number) => `subscription:${id}:secret`,
  signingSecret: (id: number) => `subscription:${id}:signing_secret`,
  keyPair: (id: number) => `subscription:${id}:signing_key_pair`,
  inbound: (id: number) => `subscription:${id}:inbound`,
  header: (id: number, name: string) => `subscription:${id}:header:${name.toLowerCase()}`,
} as const

/**
 * Rules as they are stored. `before` holds the sealed values until now: what the rules keep is taken from it. Secrets
 * that have expired by `now` (Unix milliseconds) are dropped.
 */
export function sealRules(
  seal: Sealer,
  id: number,
  rules: Rules,
  before: Pick<SubscriptionValues, SealedField>,
  now: number,
): SubscriptionValues {
  const pairs = live(before.signing_key_pairs, now)
  const firstPair = pairs.length === 0 && usesKeyPair(rules.values.signing)
  return {
    ...rules.values,
    secret: sealSecret(seal, id, rules.secret, before.secret),
    headers: sealHeaders(seal, id, rules.headers, before.headers),
    auth: sealAuth(seal, id, rules.auth, before.auth, now),
    inbound: sealInbound(seal, sealContext.inbound(id), rules.inbound, before.inbound),
    signing_secrets: live(before.signing_secrets, now),
    signing_key_pairs: firstPair ? [makeSealedKeyPair(seal, id)] : pairs,
  }
}

/**
 * The first signing secret: the caller's own, or a new one.
 *
 * @throws AppError validation_failed when the own one cannot sign with the schemes of the rules
 */
export function firstSigningSecret(own: string | null | undefined, { values }: Rules): string {
  if (own === undefined || own === null) return makeSigningSecret()
  const detail = own === secretMask ? masksNothing : signingSecretFault(own, values.signing)
  if (detail !== undefined) throw validationFailed([{ pointer: '/signing_secret', detail }])
  return own
}

/**
 * Checks a change against the present signing secret, which a PUT or PATCH cannot replace.
 *
 * @param given `signing_secret` of the body, which may be the answer of a GET, or of the POST that showed it
 * @throws AppError validation_failed
 */
export function checkSigningSecret(seal: Sealer, row: SubscriptionRow, rules: Rules, given: unknown): void {
  const [newest] = row.signing_secrets
  if (newest === undefined) return
  if (given !== undefined && given !== secretMask && given !== openSigningSecret(seal, row.id, newest)) {
    const detail = 'Only POST /subscriptions/{id}/rotate-secret replaces it. Leave it out here.'
    throw validationFailed([{ pointer: '/signing_secret', detail }])
  }
  const fault = misfit(() => openSigningSecret(seal, row.id, newest), rules.values.signing, row.signing)
  if (fault !== undefined) throw validationFailed([fault])
}

/** Why the present secret cannot sign in the way that is newly asked for. @param open opens it; only where it is needed */
function misfit(open: () => string, wanted: SigningFields, present: SigningFields): FieldError | undefined {
  if (schemesOf(wanted).includes('v1') && !schemesOf(present).includes('v1')) {
    if (parseSigningSecret(open()).kind !== 'key') {
      const detail =
        'The signing secret is a text, with which v1 cannot sign. Replace it by rotate-secret first.'
      return { pointer: '/signing/scheme', detail }
    }
  }
  const [form, before] = [keyFormOf(wanted), keyFormOf(present)]
  if (form === 'text' || form === before) return undefined
  const fits = form === 'hex' ? isHexKey(open()) : parseSigningSecret(open()).kind === 'key'
  if (fits) return undefined
  const detail = `The signing secret is no ${form}. Make the subscription with one that is, or replace it by rotate-secret first.`
  return { pointer: '/signing/custom/key', detail }
}

function keyFormOf(signing: SigningFields): CustomKeyForm {
  return schemesOf(signing).includes('custom') ? (signing.custom?.key ?? 'text') : 'text'
}

/** A new signing secret in the form of Standard Webhooks: 32 random bytes. */
export function makeSigningSecret(): string {
  return `whsec_${randomBytes(32).toString('base64')}`
}

export function sealSigningSecret(seal: Sealer, id: number, secret: string): SealedSecret {
  return { sealed: seal.seal(secret, sealContext.signingSecret(id)), expires_at: null }
}

export function openSigningSecret(seal: Sealer, id: number, { sealed }: SealedSecret): string {
  return seal.open(sealed, sealContext.signingSecret(id))
}

/** A new key pair for v1a. */
export function makeSealedKeyPair(seal: Sealer, id: number): SealedKeyPair {
  const pair = makeKeyPair()
  return { sealed: seal.seal(pair.secret, sealContext.keyPair(id)), public: pair.public, expires_at: null }
}

/** The inbound secret to store, sealed; `before` is the present one, sealed. */
function sealSecret(seal: Sealer, id: number, wish: SecretWish, before: string | null): string | null {
  switch (wish.kind) {
    case 'keep':
      return before
    case 'remove':
      return null
    case 'set':
      return seal.seal(wish.secret, sealContext.secret(id))
  }
}

/**
 * Custom headers to store, sealed; a masked value keeps the one of `before`, whatever the case of its name.
 *
 * @throws AppError validation_failed when a masked value has no value before it, or all together are too large
 */
function sealHeaders(
  seal: Sealer,
  id: number,
  wishes: Readonly<Record<string, string>>,
  before: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const known = new Map(Object.entries(before).map(([name, sealed]) => [name.toLowerCase(), sealed]))
  // Where none is new they are no larger than they were; and one that cannot be opened here stops no other change.
  const isAnyNew = Object.values(wishes).some(value => value !== secretMask)
  let bytes = 0
  const sealed = Object.entries(wishes).map(([name, value]): [string, string] => {
    const context = sealContext.header(id, name)
    const kept = value === secretMask ? known.get(name.toLowerCase()) : undefined
    if (value === secretMask && kept === undefined) {
      throw validationFailed([{ pointer: headerPointer(name), detail: masksNothing }])
    }
    if (isAnyNew) bytes += name.length + (kept === undefined ? value : seal.open(kept, context)).length
    return [name, kept ?? seal.seal(value, context)]
  })
  if (bytes > headerLimits.bytesInAll) {
    const detail = `Give at most ${headerLimits.bytesInAll} bytes of names and values in all; these are ${bytes}.`
    throw validationFailed([{ pointer: '/headers', detail }])
  }
  return Object.fromEntries(sealed)
}

const masksNothing = `${secretMask} stands for a value that is not shown, and there is none. Give a real one.`

/**
 * A row as the path of an event needs it: parsed, its secrets opened, defaults filled in.
 *
 * @throws Error when this process does not have the key that sealed a secret, or the sealed text was changed
 */
export function openSubscription(row: PathRow, seal: Sealer, defaults: SubscriptionDefaults): Subscription {
  const url = new URL(row.target_url)
  const [secrets, pairs] = [openSecrets(row, seal), openPairs(row, seal)]
  const { headers: authorization, credentials } = openAuth(row.auth, row.id, seal)
  return {
    id: row.id,
    tenant: row.tenant,
    targetUrl: row.target_url,
    origin: url.origin,
    path: url.pathname + url.search,
    secret: row.secret === null ? null : textKey(seal.open(row.secret, sealContext.secret(row.id))),
    ...openSigning(row.signing, secrets, pairs),
    headers: [...openHeaders(row, seal), ...authorization, ...originOf(row, defaults)],
    credentials,
    uid: row.uid,
    ...openWants(row),
    disabled: row.state === 'disabled',
    // A disabled subscription is one that the service has paused: the path treats both alike.
    paused: row.paused || row.state === 'disabled',
    isFailing: failingStates.includes(row.state),
    retry: retryPolicy(row.retry, defaults.retry),
    timeoutMs: row.timeout_ms ?? defaults.timeoutMs,
    connectTimeoutMs: connectTimeoutMs(row, defaults),
    maxInFlight: row.max_in_flight ?? defaults.maxInFlight,
    isAdaptive: row.max_in_flight === null && !row.ordered,
    rateLimit: strictestRate(row.rate_limit, row.verification?.allowed_per_minute),
    ordered: row.ordered,
    orderingKey: row.ordering_key === null ? null : parseOrderingKey(row.ordering_key),
    format: row.format,
    extras: openExtras(row, secrets, pairs),
    forwardTraceparent: row.forward_traceparent,
    capture: row.capture,
    inbound: openInbound(seal, sealContext.inbound(row.id), row.inbound),
    version: row.version,
    stateSince: row.stateSince,
  }
}

/** Who has allowed this sender by the handshake of CloudEvents finds its name in each delivery (HTTP 1.1 Web Hooks, 4.1.2). */
function originOf({ verification }: PathRow, { requestOrigin }: SubscriptionDefaults): readonly string[] {
  const isAllowed = verification?.state === 'verified' && verification.method === 'cloudevents'
  return isAllowed ? ['webhook-request-origin', requestOrigin] : []
}

function openWants({
  event_types: types,
  channels,
  filter,
}: PathRow): Pick<Subscription, 'eventTypes' | 'eventTypePatterns' | 'channels' | 'filter'> {
  return {
    eventTypes: types && new Set(types),
    eventTypePatterns: (types ?? []).filter(isPattern).map(segmentsOf),
    channels: channels && new Set(channels),
    filter: filter === null ? null : openFilter(filter),
  }
}

/** @throws Error for one that an operator has written into the database by hand */
function openFilter(filter: unknown): Filter {
  const compiled = compileFilter(filter)
  if (compiled.kind === 'filter') return compiled.filter
  throw new Error(`the filter cannot be used: ${JSON.stringify(compiled.errors)}`)
}

function openSecrets(row: PathRow, seal: Sealer): readonly OpenedSecret[] {
  return row.signing_secrets.map(secret => {
    return { text: openSigningSecret(seal, row.id, secret), expiresAt: endOf(secret) }
  })
}

function openPairs(row: PathRow, seal: Sealer): readonly OpenedPair[] {
  if (!usesKeyPair(row.signing)) return []
  return row.signing_key_pairs.map(pair => {
    const key = privateKey(seal.open(pair.sealed, sealContext.keyPair(row.id)))
    return { key, public: pair.public, expiresAt: endOf(pair) }
  })
}

function openSigning(
  signing: SigningFields,
  secrets: readonly OpenedSecret[],
  pairs: readonly OpenedPair[],
): Pick<Subscription, 'signingKeys' | 'textKeys' | 'signingHeaders'> {
  const schemes = schemesOf(signing)
  const signingKeys: SigningKey[] = []
  const textKeys: TextKey[] = []
  for (const { text, expiresAt } of secrets) {
    const parsed = parseSigningSecret(text)
    // A text that is no key can be left from before v1 was asked for. It ends with its overlap.
    if (schemes.includes('v1') && parsed.kind === 'key') {
      signingKeys.push({ scheme: 'v1', key: createSecretKey(parsed.key), expiresAt })
    }
    for (const scheme of textSchemes) {
      if (schemes.includes(scheme)) textKeys.push({ scheme, key: textKey(text), expiresAt })
    }
  }
  for (const { key, expiresAt } of schemes.includes('v1a') ? pairs : []) {
    signingKeys.push({ scheme: 'v1a', key, expiresAt })
  }
  return { signingKeys, textKeys, signingHeaders: headersOf(signing) }
}

function endOf({ expires_at: end }: SealedSecret): number | null {
  return end === null ? null : Date.parse(end)
}

/** Custom headers, and `accept` where none of them is. Leaves out a name that was reserved after it was stored. */
function openHeaders(row: PathRow, seal: Sealer): readonly string[] {
  const { id } = row
  const entries = Object.entries(row.headers)
  if (entries.length === 0) return ['accept', '*/*'] // as most
  const used = usedHeaders(row)
  const own = entries.filter(([name]) => !isReserved(name, used))
  const accept = own.some(([name]) => name.toLowerCase() === 'accept') ? [] : ['accept', '*/*']
  return [
    ...own.flatMap(([name, sealed]) => [name, seal.open(sealed, sealContext.header(id, name))]),
    ...accept,
  ]
}

/** The key of an inbound secret, and of the schemes of other services: its UTF-8 bytes. */
function textKey(secret: string): KeyObject {
  return createSecretKey(secret, 'utf8')
}
