import { hashOfName, hashOfRequest, type Names, namesOf } from '../ingest/names.ts'
import type { Answered, Once } from '../ingest/once.ts'
import type { Publisher, PublishRequest } from './publisher.ts'

/** What tells one request from another, and is not in the event that comes of it. */
export interface Said {
  /** When the event is to be delivered, as it was written: a time that is over by now is still the same one. */
  readonly deliverAtText: string | null
  /** For an item of a batch without a key of its own: the key of the whole, and its place in it. */
  readonly place?: { readonly batchKey: string; readonly index: number } | undefined
}

/**
 * Publishes an event unless its names are taken. An item of a batch is the same request as the event sent alone.
 *
 * @throws AppError as `Publisher.publish` and `Once.accept`
 */
export function publishOnce(
  deps: { readonly publisher: Publisher; readonly once: Once },
  request: PublishRequest,
  said: Said,
): Promise<Answered> {
  const { publisher, once } = deps
  const names = namesWith(request, said)
  return once.accept(names, () => publisher.publish(names === undefined ? request : { ...request, names }))
}

function namesWith(request: PublishRequest, { deliverAtText, place }: Said): Names | undefined {
  const { tenant, eventId } = request
  const hash = () => hashOfPublishing(request, deliverAtText)
  if (request.idempotencyKey !== null || place === undefined) return namesOf(tenant, request, hash)
  const idempotencyKey = hashOfName(tenant, 'position', `${place.index} ${place.batchKey}`)
  const byId = namesOf(tenant, { idempotencyKey: null, eventId }, hash)
  return { idempotencyKey, eventId: byId?.eventId ?? null, request: hash() }
}

function hashOfPublishing(request: PublishRequest, deliverAtText: string | null) {
  const { tenant, to, eventType, channels, eventId, metadata, contentType, contentEncoding, payload } =
    request
  return hashOfRequest(
    [
      'POST /events',
      tenant,
      JSON.stringify(to),
      eventType,
      JSON.stringify(channels.toSorted()),
      eventId,
      deliverAtText,
      JSON.stringify(Object.entries(metadata ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1))),
      contentType,
      contentEncoding,
    ],
    payload,
  )
}
