import { createHash } from 'node:crypto'
import { AppError } from '../errors.ts'
import type { Uuid } from '../platform/id.ts'

/** The names of an event that its tenant can use once, as hashes. */
export interface Names {
  readonly idempotencyKey: Uuid | null
  readonly eventId: Uuid | null
  /** Of the whole request; with an Idempotency-Key only. */
  readonly request: Uuid | null
}

/**
 * What a name is: the same text in two kinds is two names. `position` is a part of a batch, by the key of the whole;
 * `source` is what a provider calls its event.
 */
export type NameKind = 'idempotency_key' | 'event_id' | 'position' | 'source'

/** A name within its tenant, as its table has it. */
export function hashOfName(tenant: string, kind: NameKind, name: string): Uuid {
  return hashOf([tenant, kind, name])
}

/**
 * The names of an event, or undefined where it has none. A sender that gives none pays for none: nothing is hashed.
 *
 * @param hashRequest called when there is an Idempotency-Key
 */
export function namesOf(
  tenant: string,
  given: { readonly idempotencyKey: string | null; readonly eventId: string | null },
  hashRequest: () => Uuid,
): Names | undefined {
  const { idempotencyKey, eventId } = given
  if (idempotencyKey === null && eventId === null) return undefined
  return {
    idempotencyKey: idempotencyKey === null ? null : hashOfName(tenant, 'idempotency_key', idempotencyKey),
    eventId: eventId === null ? null : hashOfName(tenant, 'event_id', eventId),
    request: idempotencyKey === null ? null : hashRequest(),
  }
}

/** What two requests must have in common to be the same one. The length of each text is hashed, too. */
export function hashOfRequest(texts: readonly (string | null)[], body: Uint8Array): Uuid {
  return hashOf(texts, body)
}

/** The first 128 bits of SHA-256. */
function hashOf(texts: readonly (string | null)[], body?: Uint8Array): Uuid {
  const hash = createHash('sha256')
  hash.update(JSON.stringify(texts))
  if (body !== undefined) hash.update(body)
  const hex = hash.digest('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}` as Uuid // of its form
}

/** An event was not written, because another one has its name. */
export class NameTaken extends Error {
  override readonly name = 'NameTaken'
  readonly by: 'idempotency_key' | 'event_id'
  /** The hash of the request that took the name. */
  readonly request: Uuid | null
  readonly webhookId: Uuid
  /** How many deliveries the other event had. */
  readonly deliveries: number

  constructor(taken: Pick<NameTaken, 'by' | 'request' | 'webhookId' | 'deliveries'>) {
    super(`the ${taken.by} is taken by ${taken.webhookId}`)
    this.by = taken.by
    this.request = taken.request
    this.webhookId = taken.webhookId
    this.deliveries = taken.deliveries
  }
}

/** The name was taken, and the partition that it was in went, all in one moment. */
export function tryAgain(): AppError {
  return new AppError('overloaded', 'The name of this event is being used; try again shortly.', {
    retryAfterSeconds: 1,
  })
}
