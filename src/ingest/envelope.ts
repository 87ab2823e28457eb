import { isUtf8 } from 'node:buffer'
import type { IncomingHttpHeaders } from 'node:http'
import { AppError } from '../errors.ts'
import type { DeliveryContent } from '../model/delivery.ts'
import { readTraceparent } from '../model/traceparent.ts'
import { product } from '../version.ts'

/** The content type of a body that came without one (RFC 9110, 8.3). */
const unknownContentType = 'application/octet-stream'

export const envelopeLimits = {
  eventTypeChars: 128,
  contentTypeChars: 256,
  contentEncodingChars: 128,
} as const

/**
 * Reads the event type, the content type and coding, and the bytes of an event. The bytes are kept as they are, and go out
 * with the type and the coding that they came with.
 *
 * @throws AppError when a header is not allowed, or the body is declared to be JSON, can be checked, and is not JSON. No
 *   receiver could read such a body, and only the sender can correct it.
 */
export function readEnvelope(headers: IncomingHttpHeaders, payload: Buffer): DeliveryContent {
  const { contentType, contentEncoding } = readBodyHeaders(headers, payload)
  const eventType = readEventType(headers['x-event-type'])
  const traceparent = readTraceparent(headers)
  return {
    ...{ eventType, contentType, contentEncoding, payload, hops: readHops(headers) },
    ...(traceparent !== undefined && { traceparent }),
  }
}

/**
 * Reads what the headers say of a body, and checks it against that.
 *
 * @throws AppError as `readEnvelope`
 */
export function readBodyHeaders(
  headers: IncomingHttpHeaders,
  payload: Buffer,
): { readonly contentType: string; readonly contentEncoding: string | null } {
  const { contentType, contentEncoding } = readContentHeaders(headers)
  if (isJson(contentType) && !isEncoded(contentEncoding)) checkJson(payload)
  return { contentType, contentEncoding }
}

/** The same without a look at the body. @throws AppError validation_failed */
export function readContentHeaders(headers: IncomingHttpHeaders): {
  readonly contentType: string
  readonly contentEncoding: string | null
} {
  const contentType = headers['content-type'] || unknownContentType
  if (contentType.length > envelopeLimits.contentTypeChars)
    throw unfit('Content-Type', `${envelopeLimits.contentTypeChars} characters at most`)
  return { contentType, contentEncoding: readContentEncoding(headers['content-encoding']) }
}

/** A header that came several times is one list here, as in HTTP. */
function readContentEncoding(header: string | undefined): string | null {
  const encoding = header?.trim() ?? ''
  if (encoding === '') return null
  const charsMax = envelopeLimits.contentEncodingChars
  if (encoding.length > charsMax || !/^[\x20-\x7e]+$/.test(encoding))
    throw unfit('Content-Encoding', `visible ASCII characters, ${charsMax} at most`)
  return encoding
}

/**
 * Whether the bytes are not the text of the body, but that text compressed. They are not decoded to be checked: it would
 * cost the most for the largest bodies, and a coding that is unknown here may be known to the receiver.
 */
function isEncoded(contentEncoding: string | null): boolean {
  return contentEncoding !== null && contentEncoding.toLowerCase() !== 'identity'
}

function readEventType(header: string | string[] | undefined): string | null {
  const eventType = String(header ?? '').trim()
  if (eventType === '') return null
  const fault = eventTypeFault(eventType)
  if (fault !== undefined) throw unfit('X-Event-Type', fault)
  return eventType
}

/** What an event type must be, where a text is none; undefined: it is one. */
export function eventTypeFault(eventType: string): string | undefined {
  if (eventType.length > envelopeLimits.eventTypeChars)
    return `${envelopeLimits.eventTypeChars} characters at most`
  if (!/^[\x21-\x7e]+$/.test(eventType)) return 'visible ASCII characters without spaces'
  return undefined
}

function unfit(header: string, allowed: string): AppError {
  return new AppError('validation_failed', `The header ${header} must be ${allowed}.`, {
    errors: [{ pointer: header, detail: `Must be ${allowed}.` }],
  })
}

/** Whether the content type says JSON in UTF-8. JSON in another charset is not checked: its receiver may be able to read it. */
function isJson(contentType: string): boolean {
  if (contentType === 'application/json') return true
  const [first = '', ...parameters] = contentType.split(';')
  const type = first.trim().toLowerCase()
  if (type !== 'application/json' && !type.endsWith('+json')) return false
  const charset = parameters.map(text => /^\s*charset\s*=\s*"?([^"\s]*)/i.exec(text)?.[1]).find(Boolean)
  return charset === undefined || /^(utf-?8|us-ascii)$/i.test(charset)
}

const byteOrderMark = 0xfeff
const utf16Marks = [Buffer.from([0xff, 0xfe]), Buffer.from([0xfe, 0xff])]

/**
 * Parses the body to check it. What is delivered are the bytes.
 *
 * Some senders cannot be changed and still are understood by their receivers, so these pass: a byte order mark before the
 * text (SharePoint), UTF-16 that says so by its mark, and no text at all.
 */
function checkJson(payload: Buffer): void {
  if (payload.length === 0) return
  if (!isUtf8(payload)) {
    if (utf16Marks.some(mark => payload.subarray(0, 2).equals(mark))) return
    throw new AppError(
      'malformed_json',
      'The body is declared to be JSON but is not valid UTF-8 (RFC 8259, 8.1).',
    )
  }
  const text = payload.toString('utf8')
  try {
    JSON.parse(text.charCodeAt(0) === byteOrderMark ? text.slice(1) : text)
  } catch (error) {
    if (text.trim() === '') return
    const reason = error instanceof Error ? error.message.toWellFormed() : ''
    throw new AppError(
      'malformed_json',
      `The body is declared to be JSON but does not parse: ${reason}. Correct it, or send it with its true Content-Type.`,
      { cause: error },
    )
  }
}

/** An event may come in from a delivery at most this many times. Real chains are shorter; a longer one is a loop. */
const hopsMax = 5

/**
 * How many deliveries of this service, of this installation or another one, an event has come through. The first one is
 * recognised by its user agent, later ones by `webhook-hop`. So deliveries to other receivers carry no such header.
 *
 * @throws AppError forbidden when there are more than five: the subscriptions form a circle
 */
export function readHops(headers: IncomingHttpHeaders): number {
  if (!headers['user-agent']?.startsWith(`${product}/`)) return 0
  const told = Number(headers['webhook-hop'] ?? 0)
  const hops = Number.isSafeInteger(told) && told > 0 ? told + 1 : 1
  if (hops <= hopsMax) return hops
  throw new AppError(
    'forbidden',
    `This event has come through webhook delivery ${hops} times: some subscription leads back to where it began. Change its target_url.`,
  )
}
