import type { IncomingHttpHeaders } from 'node:http'
import { type FieldError, validationFailed } from '../errors.ts'
import { readIdempotencyKey } from '../http/idempotency-key.ts'
import {
  isText,
  publishLimits,
  readChannels,
  readDeliverAt,
  readEventId,
  readEventType,
  readMetadata,
  unfit,
} from './fields.ts'
import type { PublishRequest } from './publisher.ts'

/** What a request says of its event before its body: without a tenant where it names none. */
type Head = Pick<
  PublishRequest,
  'eventType' | 'channels' | 'eventId' | 'idempotencyKey' | 'deliverAt' | 'metadata' | 'to'
> & { readonly deliverAtText: string | null }
export type PublishHead = Head & Pick<PublishRequest, 'tenant'>

const headerNames = {
  event_type: 'X-Event-Type',
  tenant: 'X-Tenant',
  channels: 'X-Channels',
  event_id: 'X-Event-Id',
  deliver_at: 'X-Deliver-At',
} as const

/**
 * Reads what headers and query parameters say of an event.
 *
 * @param query the parameters as Fastify parses them: a name that came twice has an array
 * @throws AppError validation_failed for what is not allowed, and for what header and parameter say differently
 */
export function readPublishHead(
  headers: IncomingHttpHeaders,
  query: unknown,
  now: number,
): Head & { readonly tenant: string | undefined } {
  const parameters = readQuery(query)
  const given = (field: keyof typeof headerNames) => givenOnce(headers, parameters, field)
  const [type, channels, id, at] = [
    given('event_type'),
    given('channels'),
    given('event_id'),
    given('deliver_at'),
  ]
  return {
    tenant: readTenant(given('tenant')),
    eventType: readEventType(type.text, type.name),
    channels: readChannels(channels.text, channels.name),
    eventId: readEventId(id.text, id.name),
    idempotencyKey: readIdempotencyKey(headers),
    deliverAt: readDeliverAt(at.text, at.name, now),
    deliverAtText: at.text ?? null,
    metadata: readMetadata(headers),
    to: readTo(parameters.to),
  }
}

type Parameters = Readonly<Partial<Record<keyof typeof headerNames | 'to', string>>>

/** @throws AppError validation_failed for a parameter that there is not, or that came twice */
function readQuery(query: unknown): Parameters {
  const faults: FieldError[] = []
  const parameters: Record<string, string> = {}
  for (const [name, value] of Object.entries(Object(query) as Record<string, unknown>)) {
    if (name !== 'to' && !Object.hasOwn(headerNames, name))
      faults.push({
        pointer: name,
        detail: 'There is no such parameter here. Check its spelling, or leave it out.',
      })
    else if (typeof value !== 'string') faults.push({ pointer: name, detail: 'Give this parameter once.' })
    else parameters[name] = value
  }
  if (faults.length > 0) throw validationFailed(faults)
  return parameters
}

interface Given {
  readonly text: string | undefined
  /** How it was given: the name of the header, or of the parameter. */
  readonly name: string
}

function givenOnce(
  headers: IncomingHttpHeaders,
  parameters: Parameters,
  field: keyof typeof headerNames,
): Given {
  const name = headerNames[field]
  const header = headers[name.toLowerCase()]?.toString()
  const parameter = parameters[field]
  if (parameter === undefined) return { text: header, name }
  if (header === undefined || header === parameter) return { text: parameter, name: field }
  const detail = `The header ${name} and the parameter ${field} say different things. Give one of them.`
  throw validationFailed([
    { pointer: field, detail },
    { pointer: name, detail },
  ])
}

/** @throws AppError validation_failed */
export function readTenant({ text, name }: Given): string | undefined {
  if (text === undefined) return undefined
  if (/^[a-z0-9][a-z0-9_-]{0,62}$/.test(text)) return text
  throw unfit(
    name,
    'The id of a tenant has 1 to 63 characters: a to z, 0 to 9, - and _, and begins with a letter or a digit.',
  )
}

const idMax = 2_147_483_647

/** A number is the id of a subscription; any other text, and what follows `uid:`, is its uid. */
function readTo(to: string | undefined): number | string | null {
  if (to === undefined) return null
  if (/^\d{1,10}$/.test(to) && Number(to) <= idMax) return Number(to)
  const uid = to.startsWith('uid:') ? to.slice(4) : to
  if (uid === '' || !isText(to, publishLimits.toChars))
    throw unfit('to', 'Give the id of a subscription, or its uid, of 1 to 255 characters.')
  return uid
}
