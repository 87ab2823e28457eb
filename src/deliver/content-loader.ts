import { setImmediate as nextTurn } from 'node:timers/promises'
import type { DeliveryContent } from '../model/delivery.ts'
import type { Uuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'
import { readContents } from './store.ts'

interface Waiting {
  readonly resolve: (content: DeliveryContent | undefined) => void
  readonly reject: (error: unknown) => void
}

/** One read takes at most this many events. */
const batchMax = 100
/** Attempts that begin in one turn of the event loop. More would keep fresh events waiting for milliseconds. */
const begunTogether = 4

/**
 * Loads the contents of deliveries that come from lanes, just before their attempt: all that are asked for in one
 * turn of the event loop, or while a read is under way, share the next read. How many can wait is bounded by the
 * attempts in flight.
 */
export class ContentLoader {
  readonly #connection: Queryable
  #waiting = new Map<Uuid, Waiting[]>()
  #reading = false

  constructor(connection: Queryable) {
    this.#connection = connection
  }

  /** Resolves with undefined when the event is no longer stored. */
  load(webhookId: Uuid): Promise<DeliveryContent | undefined> {
    return new Promise((resolve, reject) => {
      const others = this.#waiting.get(webhookId)
      if (others) others.push({ resolve, reject })
      else this.#waiting.set(webhookId, [{ resolve, reject }])
      if (!this.#reading) {
        this.#reading = true
        setImmediate(() => this.#readAll())
      }
    })
  }

  async #readAll(): Promise<void> {
    while (this.#waiting.size > 0) {
      const batch = new Map([...this.#waiting].slice(0, batchMax))
      for (const id of batch.keys()) this.#waiting.delete(id)
      try {
        const contents = await readContents(this.#connection, [...batch.keys()])
        let begun = 0
        for (const [id, waiting] of batch) {
          for (const { resolve } of waiting) resolve(contents.get(id))
          if (++begun % begunTogether === 0) await nextTurn()
        }
      } catch (error) {
        for (const waiting of batch.values()) for (const { reject } of waiting) reject(error)
      }
    }
    this.#reading = false
  }
}
