import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Delivery, DeliveryContent } from '../model/delivery.ts'
import { Fifo } from '../platform/fifo.ts'
import { type Uuid, uuidLowerBound } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'
import type { RecentContents } from './recent-contents.ts'
import { readContents } from './store.ts'

type HeldBy = Pick<Delivery, 'webhookId' | 'content' | 'isUnread'>

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
  readonly #recent: Pick<RecentContents, 'take' | 'forgetAll'> | undefined
  #expungedBefore = uuidLowerBound(0)
  #waiting = new Map<Uuid, Waiting[]>()
  #reading = false
  readonly #found = new Fifo<() => void>()
  #isTelling = false

  /** @param recent contents that need not be read */
  constructor(connection: Queryable, recent?: Pick<RecentContents, 'take' | 'forgetAll'>) {
    this.#connection = connection
    this.#recent = recent
  }

  /**
   * What a delivery has had in memory since its event was accepted; null: it is to be loaded. One that no read of its lane
   * has brought begins at once, as a fresh one does. In groups, as those that were read together, such ones fell behind
   * what was accepted at full load, until all that came had to be read (`npm run bench -- --only service --only lane`).
   */
  heldBy({ webhookId, content, isUnread }: HeldBy): DeliveryContent | null {
    if (isUnread) return this.#recent?.take(webhookId) ?? null
    return webhookId < this.#expungedBefore ? null : content
  }

  /** Payloads of events that were accepted before `at` (Unix milliseconds) were expunged: all that is in memory is read again. */
  expunged(at: number): void {
    this.#expungedBefore = uuidLowerBound(at)
    this.#recent?.forgetAll()
  }

  /** Resolves with undefined when the event is no longer stored. */
  load(webhookId: Uuid): Promise<DeliveryContent | undefined> {
    const recent = this.#recent?.take(webhookId)
    if (recent) return this.#inTurn(recent)
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

  /** What is in memory is given out in small groups, too: so the attempts begin in several turns of the event loop. */
  #inTurn(content: DeliveryContent): Promise<DeliveryContent> {
    return new Promise(resolve => {
      this.#found.push(() => resolve(content))
      if (this.#isTelling) return
      this.#isTelling = true
      setImmediate(() => this.#tellSome())
    })
  }

  #tellSome(): void {
    for (let begun = 0; begun < begunTogether; begun++) this.#found.shift()?.()
    this.#isTelling = this.#found.length > 0
    if (this.#isTelling) setImmediate(() => this.#tellSome())
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
