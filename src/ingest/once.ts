import { AppError, errorCodes } from '../errors.ts'
import type { Traceparent } from '../model/traceparent.ts'
import type { Uuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'
import { hashOfName, type Names, NameTaken } from './names.ts'
import { findTaken } from './taken-names-store.ts'

/** What the sender of an event is told. */
export interface Accepted {
  readonly webhookId: Uuid
  readonly deliveries: number
  /** Where its acceptance is in a trace; it is for the log only. */
  readonly traceparent?: Traceparent | null | undefined
}

export interface Answered extends Accepted {
  /** It is the answer to an earlier request with the same Idempotency-Key. */
  readonly isReplayed: boolean
}

/**
 * The event of a tenant that was accepted with an Idempotency-Key, else the one with an id of its sender's, by the index of
 * names. Undefined: there is none, or the name is not kept any more; what was sent before names were kept is not found.
 */
export async function eventWithName(
  db: Queryable,
  tenant: string,
  given: { readonly idempotencyKey: string | undefined; readonly eventId: string | undefined },
): Promise<Uuid | undefined> {
  const hashOf = (kind: 'idempotency_key' | 'event_id', name: string | undefined) =>
    name === undefined ? null : hashOfName(tenant, kind, name)
  const [taken] = await findTaken(db, [
    {
      idempotencyKey: hashOf('idempotency_key', given.idempotencyKey),
      eventId: hashOf('event_id', given.eventId),
    },
  ])
  return taken?.webhookId
}

/** Sees that a request with an Idempotency-Key, and an event with an id of its sender's, is accepted once. */
export class Once {
  readonly #database: Queryable
  readonly #replayed: () => void
  /** Idempotency-Keys of requests that are running in this process. */
  readonly #running = new Set<Uuid>()

  /** @param replayed called when a request gets the answer of an earlier one */
  constructor(database: Queryable, replayed: () => void = () => {}) {
    this.#database = database
    this.#replayed = replayed
  }

  /**
   * @param accept writes the event with its names, and rejects with `NameTaken` where one of them is taken
   * @throws AppError idempotency_key_reused for another request with this key, idempotency_in_progress while one with it is
   *   running, event_id_taken
   */
  async accept(names: Names | undefined, accept: () => Promise<Accepted>): Promise<Answered> {
    const key = names?.idempotencyKey ?? null
    if (names === undefined || key === null) return this.#try(names, accept)
    if (this.#running.has(key)) throw inProgress()
    this.#running.add(key)
    try {
      return await this.#try(names, accept)
    } finally {
      this.#running.delete(key)
    }
  }

  async #try(names: Names | undefined, accept: () => Promise<Accepted>): Promise<Answered> {
    try {
      return { ...(await accept()), isReplayed: false }
    } catch (error) {
      if (names === undefined) throw error
      if (error instanceof NameTaken) return this.#answerOfFirst(names, error)
      // What the first request could still be refused for may have come since: its subscription was deleted, say.
      const first = isRefusal(error) ? await this.#findRequest(names) : undefined
      if (first === undefined) throw error
      return this.#answerOfFirst(names, first)
    }
  }

  #answerOfFirst(names: Names, first: NameTaken): Answered {
    const answered = answerOfFirst(names, first)
    this.#replayed()
    return answered
  }

  /** The event that was accepted with this Idempotency-Key. */
  async #findRequest({ idempotencyKey }: Names): Promise<NameTaken | undefined> {
    if (idempotencyKey === null) return undefined
    const [found] = await findTaken(this.#database, [{ idempotencyKey, eventId: null }])
    return found && new NameTaken(found)
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof AppError && errorCodes[error.code].status < 500
}

function answerOfFirst({ request }: Names, first: NameTaken): Answered {
  const { by, webhookId, deliveries } = first
  if (by === 'event_id') {
    throw new AppError(
      'event_id_taken',
      'This tenant has an event with this event_id already. Give a new event another one; webhook_id names the one that has it.',
      { cause: first, members: { webhook_id: webhookId } },
    )
  }
  if (request !== first.request) {
    throw new AppError(
      'idempotency_key_reused',
      'This Idempotency-Key was used for a request with another body, target or field. Send the first request unchanged, or this one with a new key.',
      { cause: first },
    )
  }
  return { webhookId, deliveries, isReplayed: true }
}

function inProgress(): AppError {
  return new AppError(
    'idempotency_in_progress',
    'A request with this Idempotency-Key is still running. Send it again in a moment to hear its answer.',
    { retryAfterSeconds: 1 },
  )
}
