import { createHash, createHmac, sign } from 'node:crypto'
import {
  type DerivedComponent,
  isDerived,
  type MessageSignatureKey,
  type MessageSignatureRules,
} from '../subscriptions/message-signature.ts'

/** A request as it is signed. */
export interface RequestToSign {
  readonly url: URL
  /** Names and values in turn, as they are sent. */
  readonly headers: readonly string[]
  readonly body: Uint8Array
}

/**
 * `Content-Digest` (RFC 9530), `Signature-Input` and `Signature` (RFC 9421), names and values in turn; one signature for each key
 * that is live. Empty: no key is.
 *
 * @param now Unix milliseconds
 */
export function messageSignatures(
  rules: MessageSignatureRules,
  { url, headers, body }: RequestToSign,
  now: number,
): readonly string[] {
  const keys = rules.keys.filter(({ expiresAt }) => expiresAt === null || expiresAt > now)
  if (keys.length === 0) return []
  const digest = `sha-256=:${createHash('sha256').update(body).digest('base64')}:`
  const valueFor = componentsOf(url, [...headers, 'content-digest', digest])
  const lines = rules.components.flatMap(name => {
    const value = valueFor(name)
    return value === undefined ? [] : [{ name, line: `"${name}": ${value}\n` }]
  })
  const covered = `(${lines.map(({ name }) => `"${name}"`).join(' ')})`
  const base = lines.map(({ line }) => line).join('')
  const inputs: string[] = []
  const signatures: string[] = []
  for (const [index, key] of keys.entries()) {
    const label = `${rules.label}${index + 1}`
    const parameters = covered + parametersOf(rules, key, now)
    inputs.push(`${label}=${parameters}`)
    signatures.push(`${label}=:${signedBy(key, `${base}"@signature-params": ${parameters}`)}:`)
  }
  return [
    ...['Content-Digest', digest, 'Signature-Input', inputs.join(', ')],
    ...['Signature', signatures.join(', ')],
  ]
}

function parametersOf(
  { tag, expires_seconds: holdsFor }: MessageSignatureRules,
  { keyId, algorithm }: MessageSignatureKey,
  now: number,
): string {
  const created = Math.floor(now / 1000)
  const expires = holdsFor === null ? '' : `;expires=${created + holdsFor}`
  const tagged = tag === null ? '' : `;tag=${quoted(tag)}`
  return `;created=${created}${expires};keyid=${quoted(keyId)};alg="${algorithm}"${tagged}`
}

/** A string of RFC 9651. @param text visible ASCII and spaces */
function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`
}

function signedBy({ algorithm, key }: MessageSignatureKey, base: string): string {
  switch (algorithm) {
    case 'hmac-sha256':
      return createHmac('sha256', key).update(base).digest('base64')
    case 'ed25519':
      return sign(null, Buffer.from(base), key).toString('base64')
  }
}

/** Finds the value of a component; undefined: the message has no such header. */
function componentsOf(url: URL, headers: readonly string[]): (name: string) => string | undefined {
  const fields = new Map<string, string>()
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const name = (headers[at] ?? '').toLowerCase()
    const value = (headers[at + 1] ?? '').trim()
    const before = fields.get(name)
    fields.set(name, before === undefined ? value : `${before}, ${value}`)
  }
  return name => (isDerived(name) ? derivedFrom(url, name) : fields.get(name))
}

function derivedFrom(url: URL, name: DerivedComponent): string {
  switch (name) {
    case '@method':
      return 'POST'
    case '@target-uri':
      return url.href
    case '@authority':
      return url.host
    case '@scheme':
      return url.protocol.slice(0, -1)
    case '@request-target':
      return url.pathname + url.search
    case '@path':
      return url.pathname
    case '@query':
      return url.search === '' ? '?' : url.search
  }
}
