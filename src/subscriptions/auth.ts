import { createHash } from 'node:crypto'
import type { TlsIdentity } from '../egress/tls-identity.ts'
import { type FieldError, validationFailed } from '../errors.ts'
import { charsOf } from '../http/metadata.ts'
import type { Sealer } from '../platform/seal.ts'
import {
  type AuthAnswer,
  type AuthFields,
  type AuthSecret,
  type AuthType,
  authLimits,
  authSecrets,
  type ClientAuth,
  fieldsOfType,
  type OpenAuthFields,
  type StoredAuth,
  tlsFields,
} from './auth-schema.ts'
import { identityFault, parseCertificates, privateKeyFault } from './certificates.ts'
import { secretMask } from './signing-secret.ts'
import { parseTargetUrl } from './target-url.ts'

/** An OAuth 2 client, with its secret in the clear. */
export interface OAuthClient {
  readonly subscriptionId: number
  /** Differs where anything of it does. */
  readonly fingerprint: string
  readonly tokenUrl: string
  readonly clientId: string
  readonly clientSecret: string
  readonly clientAuth: ClientAuth
  readonly scope: string | null
  readonly audience: string | null
}

/** What the path of an event needs of credentials, besides the headers that are always the same. */
export interface ReceiverCredentials {
  /** Connections are never shared between messages that differ in it. */
  readonly key: string
  readonly oauth: OAuthClient | null
  readonly tls: TlsIdentity | null
}

/** The place of a sealed value. */
const contextOf = (id: number, name: AuthSecret) => `subscription:${id}:auth:${name}`

/** Visible ASCII without spaces, as a token is in a header. */
const tokenText = /^[\x21-\x7e]+$/
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const controls = /[\u0000-\u001f\u007f]/

/** Everything that is wrong with it, except what only the sealed values can tell. @param tokenFault where `token_url` leads to */
export function authFaults(fields: AuthFields, tokenFault?: string): readonly FieldError[] {
  const type = fields.type ?? 'none'
  const errors: FieldError[] = []
  const say = (name: string, detail: string | undefined) => {
    if (detail !== undefined) errors.push({ pointer: `/auth/${name}`, detail })
  }
  const { needs, takes } = fieldsOfType[type]
  const known: readonly string[] = ['type', 'certificate_expires_at', ...needs, ...takes, ...tlsFields]
  for (const [name, value] of Object.entries(fields)) {
    if (value !== null && !known.includes(name)) say(name, `The type ${type} has no ${name}. Leave it out.`)
  }
  for (const name of needs) if (!fields[name]) say(name, `The type ${type} needs it.`)
  if (!fields.certificate !== !fields.key)
    say(fields.key ? 'certificate' : 'key', 'A certificate and its private key go together. Give both.')
  if (errors.length > 0) return errors
  for (const [name, value] of Object.entries(fields)) {
    if (typeof value === 'string' && name !== 'type') say(name, valueFault(name, value))
  }
  if (tokenFault !== undefined) say('token_url', tokenFault)
  return errors
}

function valueFault(name: string, value: string): string | undefined {
  if (value === secretMask && isSecret(name)) return undefined // it keeps the one there is
  switch (name) {
    case 'username':
      return (
        charsFault(value, authLimits.textChars) ??
        (value.includes(':') ? 'Give a name without a colon.' : undefined)
      )
    case 'password':
    case 'client_secret':
      return charsFault(value, authLimits.secretChars)
    case 'client_id':
    case 'scope':
    case 'audience':
      return charsFault(value, authLimits.textChars)
    case 'token':
      return tokenText.test(value) ? undefined : 'Give visible ASCII characters without spaces.'
    case 'token_url': {
      const parsed = parseTargetUrl(value)
      return parsed.kind === 'invalid' ? parsed.detail : undefined
    }
    case 'certificate':
    case 'ca':
      return pemCharsFault(value) ?? certificateFault(value)
    case 'key':
      return pemCharsFault(value) ?? privateKeyFault(value)
    default:
      return undefined
  }
}

function pemCharsFault(value: string): string | undefined {
  const { pemChars } = authLimits
  return value.length > pemChars ? `Give a text of at most ${pemChars} characters.` : undefined
}

function charsFault(value: string, charsMax: number): string | undefined {
  if (charsOf(value) > charsMax) return `Give a text of at most ${charsMax} characters.`
  return controls.test(value) ? 'Give a text without control characters.' : undefined
}

function certificateFault(pem: string): string | undefined {
  const parsed = parseCertificates(pem)
  return parsed.kind === 'invalid' ? parsed.detail : undefined
}

/**
 * Credentials to store, with their secrets sealed; a masked secret keeps that of `before`.
 *
 * @param now Unix milliseconds
 * @throws AppError validation_failed for what only the values before show
 */
export function sealAuth(
  seal: Sealer,
  id: number,
  fields: AuthFields,
  before: StoredAuth | null,
  now: number,
): StoredAuth | null {
  const { type: given, certificate_expires_at: _, ...rest } = fields
  const type = given ?? 'none'
  const open: Record<string, string> = {}
  const sealed: Partial<Record<AuthSecret, string>> = {}
  for (const [name, value] of Object.entries(rest)) {
    if (value === null || value === undefined) continue
    if (isSecret(name)) sealed[name] = sealedSecret(seal, id, name, value, before)
    else open[name] = value
  }
  if (type === 'none' && Object.keys(open).length === 0 && Object.keys(sealed).length === 0) return null
  const stored: StoredAuth = { type, ...(open as OpenAuthFields), sealed } // their names were checked by the schema
  if (fields.client_secret === secretMask) checkSameServer(stored, before)
  for (const name of ['certificate', 'ca'] as const) {
    // One that was valid when it was set may have ended by now: that keeps nobody from changing something else.
    if (stored[name] !== before?.[name]) checkNotEnded(name, stored[name], now)
  }
  return withExpiry(seal, id, stored, before)
}

function sealedSecret(
  seal: Sealer,
  id: number,
  name: AuthSecret,
  value: string,
  before: StoredAuth | null,
): string {
  if (value !== secretMask) return seal.seal(value, contextOf(id, name))
  const kept = before?.sealed[name]
  if (kept !== undefined) return kept
  const detail = `${secretMask} stands for a value that is not shown, and there is none. Give a real one.`
  throw validationFailed([{ pointer: `/auth/${name}`, detail }])
}

/** Who may change a subscription may not see its secrets, so cannot have them sent to a server of their own either. */
function checkSameServer({ token_url: url }: StoredAuth, before: StoredAuth | null): void {
  const origin = (text: string | null | undefined) => (text ? new URL(text).origin : '')
  if (origin(url) === origin(before?.token_url)) return
  const detail = 'This token_url is on another server than the one before. Give client_secret too.'
  throw validationFailed([{ pointer: '/auth/client_secret', detail }])
}

function checkNotEnded(name: string, pem: string | null | undefined, now: number): void {
  const parsed = pem ? parseCertificates(pem) : undefined
  if (parsed?.kind !== 'certificates' || parsed.endsAt > now) return
  const detail = `One of them ended at ${new Date(parsed.endsAt).toISOString()}. Give one that is valid.`
  throw validationFailed([{ pointer: `/auth/${name}`, detail }])
}

function withExpiry(seal: Sealer, id: number, stored: StoredAuth, before: StoredAuth | null): StoredAuth {
  const { certificate, ca = null, sealed } = stored
  if (!certificate || sealed.key === undefined) return stored
  const fault = identityFault(certificate, seal.open(sealed.key, contextOf(id, 'key')), ca)
  if (fault !== undefined) throw validationFailed([{ pointer: '/auth/key', detail: fault }])
  const parsed = parseCertificates(certificate)
  if (parsed.kind === 'invalid') return stored
  const expiresAt = new Date(parsed.endsAt).toISOString()
  const warned = before?.certificate_expires_at === expiresAt ? before.certificate_warned : undefined
  return {
    ...stored,
    certificate_expires_at: expiresAt,
    ...(warned !== undefined && { certificate_warned: warned }),
  }
}

function isSecret(name: string): name is AuthSecret {
  return authSecrets.some(one => one === name)
}

/** As it is shown: secrets masked. */
export function authAnswer(stored: StoredAuth | null): AuthAnswer {
  const { sealed, certificate_warned: _, ...rest } = stored ?? { type: 'none', sealed: {} }
  return { ...rest, ...Object.fromEntries(Object.keys(sealed).map(name => [name, secretMask])) } as AuthAnswer
}

/** As the audit log shows it: without secrets. */
export function authShown(stored: StoredAuth | null): object {
  const { sealed: _, certificate_warned: __, ...rest } = stored ?? { type: 'none', sealed: {} }
  return rest
}

/** Applies a merge patch. Of another type only what every type may have is kept. */
export function mergeAuth(stored: StoredAuth | null, patch: AuthFields | null | undefined): AuthFields {
  if (patch === null) return {}
  const present = authAnswer(stored)
  if (patch === undefined) return present
  const type = patch.type === undefined ? present.type : (patch.type ?? 'none')
  const kept = Object.entries(present).filter(([name]) => type === present.type || isOfEveryType(name))
  return { ...Object.fromEntries(kept), ...patch, type }
}

function isOfEveryType(name: string): boolean {
  return tlsFields.some(one => one === name)
}

/** Whether deliveries carry the header Authorization by it. */
export function setsAuthorization(type: AuthType | null | undefined): boolean {
  return type === 'basic' || type === 'bearer' || type === 'oauth2'
}

/** Each sealed value, opened and sealed again. */
export function resealAuth(
  stored: StoredAuth | null,
  id: number,
  again: (sealed: string, context: string) => string,
): StoredAuth | null {
  if (stored === null) return null
  const sealed = Object.entries(stored.sealed).map(([name, value]) => {
    return [name, isSecret(name) ? again(value, contextOf(id, name)) : value]
  })
  return { ...stored, sealed: Object.fromEntries(sealed) }
}

/** Credentials in the clear, for the path of an event. */
export function openAuth(
  stored: StoredAuth | null,
  id: number,
  seal: Sealer,
): { readonly headers: readonly string[]; readonly credentials: ReceiverCredentials | null } {
  if (stored === null) return { headers: [], credentials: null }
  const { certificate_warned: _, ...identity } = stored
  const key = `${id} ${createHash('sha256').update(JSON.stringify(identity)).digest('base64url').slice(0, 22)}`
  const secret = (name: AuthSecret) => {
    const sealed = stored.sealed[name]
    return sealed === undefined ? '' : seal.open(sealed, contextOf(id, name))
  }
  return {
    headers: fixedHeaders(stored, secret),
    credentials: { key, oauth: openOAuth(stored, id, key, secret), tls: openTls(stored, key, secret) },
  }
}

type OpenSecret = (name: AuthSecret) => string

function fixedHeaders({ type, username }: StoredAuth, secret: OpenSecret): readonly string[] {
  switch (type) {
    case 'basic': {
      const pair = Buffer.from(`${username ?? ''}:${secret('password')}`).toString('base64')
      return ['authorization', `Basic ${pair}`]
    }
    case 'bearer':
      return ['authorization', `Bearer ${secret('token')}`]
    case 'none':
    case 'oauth2':
    case 'mtls':
      return []
  }
}

function openOAuth(
  { type, token_url: tokenUrl, client_id: clientId, client_auth: clientAuth, scope, audience }: StoredAuth,
  subscriptionId: number,
  fingerprint: string,
  secret: OpenSecret,
): OAuthClient | null {
  if (type !== 'oauth2') return null
  return {
    ...{ subscriptionId, fingerprint, tokenUrl: tokenUrl ?? '', clientId: clientId ?? '' },
    ...{ clientSecret: secret('client_secret'), clientAuth: clientAuth ?? 'basic' },
    ...{ scope: scope ?? null, audience: audience ?? null },
  }
}

function openTls({ certificate, ca }: StoredAuth, id: string, secret: OpenSecret): TlsIdentity | null {
  if (!certificate && !ca) return null
  return { id, certificate: certificate ?? null, key: certificate ? secret('key') : null, ca: ca ?? null }
}
