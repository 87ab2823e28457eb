/** The ways to sign with a shared secret that this service knows, as a receiver checks them. */
export type SignatureScheme = 'v1' | 'hub-sha256' | 'stripe-sha256' | 'shopify-sha256'

export interface SignedRequest {
  /** As they came, one `name: value` a line. */
  readonly headers: string
  /** Byte for byte, as text. */
  readonly body: string
  readonly secret: string
}

/** One step of a check, as a person would go through it. */
export interface Step {
  readonly name: string
  /** Undefined: nothing to be right or wrong about. */
  readonly holds?: boolean | undefined
  readonly detail: string
  /** Something to compare: what was signed, what came out. */
  readonly text?: string | undefined
}

/** How far the time of a signature may be from now, as Standard Webhooks says it. */
const toleranceSeconds = 300

const encoder = new TextEncoder()

/** Header lines by their names in lower case. */
export function headersOf(text: string): ReadonlyMap<string, string> {
  const entries = text.split('\n').flatMap(line => {
    const colon = line.indexOf(':')
    return colon < 1
      ? []
      : [[line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()] as const]
  })
  return new Map(entries)
}

/**
 * The key in a signing secret: of Standard Webhooks what its base64 stands for, of the others the text itself.
 *
 * @returns undefined where it is no base64
 */
export function keyOf(secret: string, scheme: SignatureScheme): Uint8Array<ArrayBuffer> | undefined {
  if (scheme !== 'v1') return encoder.encode(secret)
  try {
    const bytes = Uint8Array.from(atob(secret.trim().replace(/^whsec_/, '')), char => char.charCodeAt(0))
    return bytes.length === 0 ? undefined : bytes
  } catch {
    return undefined
  }
}

/** The scheme whose header is there; undefined: none is. */
export function schemeOf(headers: ReadonlyMap<string, string>): SignatureScheme | undefined {
  if (headers.has('webhook-signature')) return 'v1'
  if (headers.has('stripe-signature')) return 'stripe-sha256'
  if (headers.has('x-shopify-hmac-sha256')) return 'shopify-sha256'
  return headers.has('x-hub-signature-256') ? 'hub-sha256' : undefined
}

interface Parts {
  readonly id: string | undefined
  readonly timestamp: string | undefined
  /** The signatures that came, in the encoding of the scheme. */
  readonly given: readonly string[]
}

/** The text that is signed; undefined: a header that belongs to it is missing. */
export function signedContent(
  scheme: SignatureScheme,
  { id, timestamp }: Pick<Parts, 'id' | 'timestamp'>,
  body: string,
): string | undefined {
  if (scheme === 'hub-sha256' || scheme === 'shopify-sha256') return body
  if (timestamp === undefined) return undefined
  if (scheme === 'stripe-sha256') return `${timestamp}.${body}`
  return id === undefined ? undefined : `${id}.${timestamp}.${body}`
}

/** HMAC-SHA256 in the encoding of the scheme. Browsers have it on https and localhost only. */
export async function signatureOf(
  scheme: SignatureScheme,
  key: Uint8Array<ArrayBuffer>,
  content: string,
): Promise<string> {
  const hmac = { name: 'HMAC', hash: 'SHA-256' }
  const imported = await crypto.subtle.importKey('raw', key, hmac, false, ['sign'])
  const bytes = new Uint8Array(await crypto.subtle.sign(hmac, imported, encoder.encode(content)))
  if (scheme === 'v1' || scheme === 'shopify-sha256') return btoa(String.fromCharCode(...bytes))
  return [...bytes].map(byte => byte.toString(16).padStart(2, '0')).join('')
}

function partsOf(scheme: SignatureScheme, headers: ReadonlyMap<string, string>): Parts {
  if (scheme === 'v1') {
    const list = (headers.get('webhook-signature') ?? '').split(' ')
    return {
      id: headers.get('webhook-id'),
      timestamp: headers.get('webhook-timestamp'),
      given: list.filter(part => part.startsWith('v1,')).map(part => part.slice(3)),
    }
  }
  if (scheme === 'stripe-sha256') {
    const fields = (headers.get('stripe-signature') ?? '').split(',').map(part => part.trim().split('='))
    return {
      id: undefined,
      timestamp: fields.find(([name]) => name === 't')?.[1],
      given: fields.flatMap(([name, value]) => (name === 'v1' && value ? [value] : [])),
    }
  }
  if (scheme === 'shopify-sha256') {
    const value = headers.get('x-shopify-hmac-sha256')
    return { id: undefined, timestamp: undefined, given: value ? [value] : [] }
  }
  const value = /^sha256=(.+)$/.exec(headers.get('x-hub-signature-256') ?? '')?.[1]
  return { id: undefined, timestamp: undefined, given: value ? [value.toLowerCase()] : [] }
}

/**
 * Checks a signature step by step, up to the first that does not hold.
 *
 * @param now Unix milliseconds
 */
export async function checkSignature(request: SignedRequest, now: number): Promise<readonly Step[]> {
  const headers = headersOf(request.headers)
  const scheme = schemeOf(headers)
  if (scheme === undefined)
    return [
      {
        name: 'Which signature is it?',
        holds: false,
        detail:
          'No header of a known scheme is there. Standard Webhooks has webhook-signature beside webhook-id and webhook-timestamp.',
      },
    ]
  const steps: Step[] = [{ name: 'Which signature is it?', holds: true, detail: schemeWords[scheme] }]
  const key = keyOf(request.secret, scheme)
  if (key === undefined || request.secret === '') {
    steps.push({
      name: 'The key',
      holds: false,
      detail: 'Give the signing secret: whsec_ and base64. A character that was lost in copying shows here.',
    })
    return steps
  }
  steps.push({ name: 'The key', holds: true, detail: `${key.length} bytes out of the secret` })
  const parts = partsOf(scheme, headers)
  const content = signedContent(scheme, parts, request.body)
  if (content === undefined) {
    steps.push({
      name: 'What is signed',
      holds: false,
      detail: 'The id or the time is missing. A proxy or a framework may have taken the header away.',
    })
    return steps
  }
  steps.push({ name: 'What is signed', detail: 'These bytes, and no others', text: content })
  if (parts.timestamp !== undefined) steps.push(timeStep(parts.timestamp, now))
  const expected = await signatureOf(scheme, key, content)
  steps.push({ name: 'What comes out', detail: 'HMAC-SHA256 with this key', text: expected })
  steps.push(comparison(parts.given, expected))
  return steps
}

const schemeWords: Readonly<Record<SignatureScheme, string>> = {
  v1: 'Standard Webhooks, HMAC-SHA256 of id, time and body',
  'hub-sha256': 'As GitHub signs: HMAC-SHA256 of the body, in hex',
  'stripe-sha256': 'As Stripe signs: HMAC-SHA256 of time and body, in hex',
  'shopify-sha256': 'As Shopify signs: HMAC-SHA256 of the body, in base64',
}

function timeStep(timestamp: string, now: number): Step {
  const seconds = Number(timestamp)
  if (!/^\d{1,12}$/.test(timestamp))
    return { name: 'Its time', holds: false, detail: 'The time is not a number of seconds.' }
  const age = Math.round(now / 1000 - seconds)
  const isNear = Math.abs(age) <= toleranceSeconds
  return {
    name: 'Its time',
    ...(isNear && { holds: true }),
    detail: isNear
      ? `${Math.abs(age)} s from now, within ${toleranceSeconds} s`
      : `${new Date(seconds * 1000).toISOString()}: checked now, a receiver would refuse it as too old or too new`,
  }
}

function comparison(given: readonly string[], expected: string): Step {
  if (given.length === 0)
    return {
      name: 'Do they match?',
      detail: 'Paste the signature that the receiver saw into the headers to compare.',
    }
  if (given.includes(expected))
    return { name: 'Do they match?', holds: true, detail: 'Yes: the signature is valid.' }
  return {
    name: 'Do they match?',
    holds: false,
    detail:
      'No. Nearly always the body was parsed and written again before it was checked, so that bytes differ; or the secret is that of another subscription, or an old one.',
    text: given.join('\n'),
  }
}
