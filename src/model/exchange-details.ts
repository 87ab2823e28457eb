/** Of which attempts request and answer are remembered. */
export const captures = ['failures', 'all', 'none'] as const
export type CaptureOf = (typeof captures)[number]

/** What is remembered of attempts: of which, and how much of an answer's body. */
export interface Capture {
  readonly of: CaptureOf
  readonly bodyBytesMax: number
}

/** Header names in lower case; a name that came more than once has all its values. */
export type HeaderFields = Readonly<Record<string, string | readonly string[]>>

/** Where the time of one attempt went. Milliseconds; null: that did not happen, or not for this attempt. */
export interface Timings {
  /** The connection was there before: dns, connect and tls belong to an earlier attempt. */
  readonly reused: boolean
  /** It was sent twice: the connection that was there before ended as it was used, so that a new one was made. */
  readonly repeated: boolean
  readonly dns: number | null
  readonly connect: number | null
  readonly tls: number | null
  /** From the start of the attempt to the headers of the answer. */
  readonly first_byte: number | null
  /** From the start of the attempt to its end. */
  readonly total: number
}

/** One request and its answer, as they are remembered: without secrets, and no larger than was asked for. */
export interface ExchangeDetails {
  readonly request: {
    readonly method: 'POST' | 'OPTIONS'
    readonly url: string
    readonly headers: HeaderFields
  }
  /** Null: there was no answer. */
  readonly response: {
    readonly headers: HeaderFields
    /** How much of the body arrived; more than was kept when it was cut. */
    readonly body_bytes: number
    /** What was kept is not the whole body: it was larger than is kept, or did not arrive whole. */
    readonly body_truncated: boolean
  } | null
  /** Any bytes at all, as they came: not decompressed, not decoded. */
  readonly responseBody: Buffer
  readonly timings: Timings
  readonly remoteAddress: string | null
}

/** What stands for a value that is not kept. */
export const redacted = '[redacted]'

/**
 * Request headers that tell nothing secret. All others are redacted (signatures of any scheme, and what the owner of
 * a subscription added, which may be a password): a list of what is secret would miss the next one.
 */
const openRequestHeaders = new Set([
  'accept',
  'accept-encoding',
  'content-digest',
  'content-encoding',
  'content-type',
  'signature-input',
  'user-agent',
  'webhook-hop',
  'webhook-request-origin',
  'webhook-request-rate',
  'webhook-id',
  'webhook-timestamp',
  'x-event-type',
])

/** Of an answer: what a browser would keep as a secret of the receiver. */
const secretResponseHeaders = new Set(['set-cookie', 'set-cookie2'])

/** @param open names of further headers that hold no secret, such as that of the event's id where it has another name */
export function isSecretRequestHeader(name: string, open: readonly (string | null)[] = []): boolean {
  const lower = name.toLowerCase()
  if (lower.startsWith('ce-')) return false // of a CloudEvent
  return !openRequestHeaders.has(lower) && !open.some(other => other?.toLowerCase() === lower)
}

/**
 * @param headers names and values in turn
 * @param open see `isSecretRequestHeader`
 */
export function redactRequest(
  headers: readonly string[],
  open: readonly (string | null)[] = [],
): HeaderFields {
  const fields: [string, string][] = []
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const name = headers[at] ?? ''
    const value = isSecretRequestHeader(name, open) ? redacted : (headers[at + 1] ?? '')
    fields.push([name.toLowerCase(), value])
  }
  return Object.fromEntries(fields)
}

/** @param clean takes out of a value what its receiver has only been told */
export function redactResponse(
  headers: Readonly<Record<string, string | string[] | undefined>>,
  clean: (value: string) => string = value => value,
): HeaderFields {
  const fields: [string, string | readonly string[]][] = []
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined) continue
    if (secretResponseHeaders.has(name)) fields.push([name, redacted])
    else fields.push([name, typeof value === 'string' ? clean(value) : value.map(clean)])
  }
  return Object.fromEntries(fields)
}

/** Memory that the details take, roughly: what may pile up while they wait to be written is counted by it. */
export function sizeOf(details: ExchangeDetails): number {
  const { request, response, responseBody } = details
  return 512 + sizeOfFields(request.headers) + sizeOfFields(response?.headers ?? {}) + responseBody.length
}

function sizeOfFields(fields: HeaderFields): number {
  let bytes = 0
  for (const [name, value] of Object.entries(fields)) {
    bytes += name.length + (typeof value === 'string' ? value.length : value.join().length)
  }
  return bytes
}

/** To a hundredth of a millisecond: finer is noise. */
export function roundedMs(ms: number): number {
  return Math.round(ms * 100) / 100
}
