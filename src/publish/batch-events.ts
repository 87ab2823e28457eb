import { AppError, jsonPointer, validationFailed } from '../errors.ts'
import { checkIdempotencyKey } from '../http/idempotency-key.ts'
import { bodyTooLarge } from '../http/read-body.ts'
import { envelopeLimits, readBodyHeaders } from '../ingest/envelope.ts'
import type { RawItem } from './batch-items.ts'
import { checkChannels, checkMetadata, readDeliverAt, readEventId, readEventType, unfit } from './fields.ts'
import { readTenant } from './publish-head.ts'
import type { PublishRequest } from './publisher.ts'

/** An item of a batch, checked; the tenant is undefined where it names none. */
export interface BatchEvent {
  readonly request: Omit<PublishRequest, 'tenant'> & { readonly tenant: string | undefined }
  readonly deliverAtText: string | null
}

const fields = [
  'event_type',
  'tenant',
  'channels',
  'event_id',
  'idempotency_key',
  'deliver_at',
  'metadata',
  'payload',
  'payload_base64',
  'content_type',
] as const
type Field = (typeof fields)[number]

/** What may stand before a payload: all its other fields at their longest, and white space. */
export const envelopeBytesMax = 131_072

/** How long an item may be whose payload has at most this many bytes: a payload in base64 is a third longer. */
export function itemBytesMax(payloadBytesMax: number): number {
  return Math.ceil(payloadBytesMax / 3) * 4 + envelopeBytesMax
}

/**
 * Checks an item of a batch as the head and the body of a request are checked.
 *
 * @param payloadBytesMax as for an event that is sent alone
 * @throws AppError what is wrong with the item
 */
export function readBatchEvent(raw: RawItem, payloadBytesMax: number, now: number): BatchEvent {
  if (raw instanceof AppError) throw raw
  refuseUnknown(raw)
  const text = (field: Field) => readText(raw, field)
  const deliverAtText = text('deliver_at') ?? null
  const key = text('idempotency_key')
  const request = {
    tenant: readTenant({ text: text('tenant'), name: pointer('tenant') }),
    eventType: readEventType(text('event_type'), pointer('event_type')),
    channels: readChannels(raw),
    eventId: readEventId(text('event_id'), pointer('event_id')),
    idempotencyKey: key === undefined ? null : checkIdempotencyKey(key, pointer('idempotency_key')),
    deliverAt: readDeliverAt(deliverAtText ?? undefined, pointer('deliver_at'), now),
    metadata: readMetadata(raw),
    ...readPayload(raw, payloadBytesMax),
    contentEncoding: null,
    hops: 0,
    to: null,
  }
  return { request, deliverAtText }
}

const pointer = (field: Field) => jsonPointer(field)

function refuseUnknown(raw: ReadonlyMap<string, Buffer>): void {
  const unknown = [...raw.keys()].filter(name => !(fields as readonly string[]).includes(name))
  if (unknown.length === 0) return
  throw validationFailed(
    unknown.map(name => ({
      pointer: jsonPointer(name.toWellFormed()),
      detail: 'There is no such field here. Check its spelling, or leave it out.',
    })),
  )
}

/** The value of a field; undefined where it is left out, or null. */
function readValue(raw: ReadonlyMap<string, Buffer>, field: Field): unknown {
  const bytes = raw.get(field)
  return bytes === undefined ? undefined : (JSON.parse(bytes.toString()) ?? undefined)
}

function readText(raw: ReadonlyMap<string, Buffer>, field: Field): string | undefined {
  const value = readValue(raw, field)
  if (value === undefined || typeof value === 'string') return value
  throw unfit(pointer(field), 'Give a text.')
}

function readChannels(raw: ReadonlyMap<string, Buffer>): readonly string[] {
  const value = readValue(raw, 'channels')
  if (value === undefined) return []
  if (Array.isArray(value) && value.every(one => typeof one === 'string')) {
    return checkChannels(value, pointer('channels'))
  }
  throw unfit(pointer('channels'), 'Give an array of texts.')
}

function readMetadata(raw: ReadonlyMap<string, Buffer>): Readonly<Record<string, string>> | null {
  const value = readValue(raw, 'metadata')
  if (value === undefined) return null
  const entries =
    typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : []
  const isObject = Object(value) === value && !Array.isArray(value)
  if (!isObject || !entries.every((entry): entry is [string, string] => typeof entry[1] === 'string'))
    throw unfit(pointer('metadata'), 'Give an object whose values are texts.')
  // As with headers, whose names have no capitals: so that an event sent alone and in a batch is the same.
  const named = entries.map(([name, text]) => [name.toLowerCase(), text] as const)
  if (new Set(named.map(([name]) => name)).size < named.length)
    throw unfit(pointer('metadata'), 'Give each name once, whatever its capitals.')
  return checkMetadata(named, name => jsonPointer('metadata', name.toWellFormed()))
}

/** @returns the payload as bytes of its own */
function readPayload(raw: ReadonlyMap<string, Buffer>, bytesMax: number) {
  const [json, base64] = [raw.get('payload'), raw.get('payload_base64')]
  if ((json === undefined) === (base64 === undefined))
    throw unfit('', 'Give either payload, which is JSON, or payload_base64, which is any bytes in base64.')
  const given = readText(raw, 'content_type')
  const contentType = given || (json === undefined ? 'application/octet-stream' : 'application/json')
  if (contentType.length > envelopeLimits.contentTypeChars || !/^[\x20-\x7e]+$/.test(contentType))
    throw unfit(
      pointer('content_type'),
      `Must be ${envelopeLimits.contentTypeChars} printable ASCII characters at most.`,
    )
  const payload = json ?? readBase64(raw)
  if (payload.length > bytesMax) throw bodyTooLarge(bytesMax, 'payload')
  // What stands in the batch as JSON is JSON, as its reader has seen.
  if (json === undefined) readBodyHeaders({ 'content-type': contentType }, payload)
  return { payload, contentType }
}

function readBase64(raw: ReadonlyMap<string, Buffer>): Buffer {
  const text = readText(raw, 'payload_base64') ?? ''
  const bytes = Buffer.from(text, 'base64')
  // Node leaves out what is no base64; then the text that it stands for is another one.
  if (bytes.toString('base64') === text) return bytes
  throw unfit(
    pointer('payload_base64'),
    'Must be base64 (RFC 4648, 4) with its padding and without white space.',
  )
}
