import { isUtf8 } from 'node:buffer'
import type { IncomingHttpHeaders } from 'node:http'
import { AppError } from '../errors.ts'
import type { DeliveryContent } from '../model/delivery.ts'
import { product } from '../version.ts'

/** The content type of a body that came without one (RFC 9110, 8.3). */
const unknownContentType = 'application/octet-stream'

const eventTypeCharsMax = 128
const contentTypeCharsMax = 256

/**
 * Reads the event type, the content type and the bytes of an event; the bytes are kept as they are.
 *
 * @throws AppError when a header is not allowed, or the body is declared to be JSON and is not. No receiver could read
 *   such a body, and only the sender can correct it.
 */
export function readEnvelope(headers: IncomingHttpHeaders, payload: Buffer): DeliveryContent {
  const contentType = headers['content-type'] ?? unknownContentType
  if (contentType.length > contentTypeCharsMax)
    throw unfit('Content-Type', `${contentTypeCharsMax} characters at most`)
  if (isJson(contentType)) checkJson(payload)
  return { eventType: readEventType(headers['x-event-type']), contentType, payload, hops: readHops(headers) }
}

function readEventType(header: string | string[] | undefined): string | null {
  const eventType = String(header ?? '').trim()
  if (eventType === '') return null
  if (eventType.length > eventTypeCharsMax)
    throw unfit('X-Event-Type', `${eventTypeCharsMax} characters at most`)
  if (!/^[\x21-\x7e]+$/.test(eventType))
    throw unfit('X-Event-Type', 'visible ASCII characters without spaces')
  return eventType
}

function unfit(header: string, allowed: string): AppError {
  return new AppError('validation_failed', `The header ${header} must be ${allowed}.`, {
    errors: [{ pointer: header, detail: `Must be ${allowed}.` }],
  })
}

function isJson(contentType: string): boolean {
  if (contentType === 'application/json') return true
  const type = (contentType.split(';', 1)[0] ?? '').trim().toLowerCase()
  return type === 'application/json' || type.endsWith('+json')
}

/** Parses the body to check it. What is delivered are the bytes. */
function checkJson(payload: Buffer): void {
  if (!isUtf8(payload)) {
    throw new AppError(
      'malformed_json',
      'The body is declared to be JSON but is not valid UTF-8 (RFC 8259, 8.1).',
    )
  }
  try {
    JSON.parse(payload.toString('utf8'))
  } catch (error) {
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
