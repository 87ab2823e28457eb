import type { Delivery } from '../model/delivery.ts'
import type { Clock } from '../platform/clock.ts'
import type { RedisClient, RedisLink } from '../platform/redis.ts'
import { type HandedRow, type Outbox, openOutbox } from './bullmq.ts'
import type { OwedKey } from './store.ts'
import { Workers } from './workers.ts'

/** Rows in one message at most. */
const batchMax = 500

export interface HandoverSenderDeps {
  readonly link: RedisLink
  readonly clock: Clock
  /**
   * Rows that are committed as leased to `owner`, who will not hear of them: they must go to their lanes.
   */
  readonly lost: (owner: number, rows: readonly OwedKey[]) => void
}

/** What is on its way to one process. */
interface Outgoing {
  readonly outbox: Outbox
  waiting: Delivery[]
  sending: boolean
}

/**
 * Hands fresh deliveries to the processes that deliver. The receiver of each is chosen before its row is written, so
 * that the row is born leased to it; after the commit a message tells it, many deliveries in one (natural batching:
 * those that come while a message is under way share the next). PostgreSQL holds all of it before Redis hears a word.
 */
export class HandoverSender {
  readonly #deps: HandoverSenderDeps
  readonly #connection: RedisClient
  readonly #directory: Workers
  readonly #lines = new Map<number, Outgoing>()

  constructor(deps: HandoverSenderDeps) {
    this.#deps = deps
    this.#connection = deps.link.bullConnection('producer')
    this.#directory = new Workers(deps.link)
  }

  /** Processes that there is a way to: each holds listeners on the connection. */
  get lines(): number {
    return this.#lines.size
  }

  /** @returns who will deliver it; null: nobody can now, so it goes to its lane */
  take(subscription: { readonly id: number }): number | null {
    if (!this.#deps.link.isUsable) return null
    return this.#directory.choose(subscription.id) ?? null
  }

  release(owner: number): void {
    this.#directory.release(owner)
  }

  /** Its row is committed: tells its holder. */
  push(owner: number, delivery: Delivery): void {
    // It left or fell silent between the choice and the commit.
    if (!this.#directory.has(owner)) {
      this.#deps.lost(owner, [delivery])
      return
    }
    const line = this.#lineTo(owner)
    line.waiting.push(delivery)
    if (line.sending) return
    line.sending = true
    // At the end of this turn of the event loop, so that what one transaction wrote goes in one message.
    setImmediate(() => void this.#send(owner, line))
  }

  close(): void {
    for (const { outbox } of this.#lines.values()) outbox.close()
    this.#lines.clear()
  }

  async #send(owner: number, line: Outgoing): Promise<void> {
    while (line.waiting.length > 0) {
      const batch = line.waiting.splice(0, batchMax)
      try {
        await line.outbox.send({ at: this.#deps.clock.now(), rows: batch.map(asRow) })
      } catch (error) {
        this.#deps.link.report(error)
        // Redis may have it all the same: then its holder finds it too old to be followed.
        this.#deps.lost(owner, [...batch, ...line.waiting.splice(0)])
      }
    }
    line.sending = false
    if (!this.#directory.has(owner)) this.#forget(owner, line)
  }

  #lineTo(owner: number): Outgoing {
    const known = this.#lines.get(owner)
    if (known) return known
    this.#sweep()
    const line = {
      outbox: openOutbox(this.#deps.link, this.#connection, owner),
      waiting: [],
      sending: false,
    }
    this.#lines.set(owner, line)
    return line
  }

  /**
   * Closes the lines to processes that went while nothing was on its way to them. Called for each line that is opened,
   * so there are never more than processes there were at one time, however many come and go.
   */
  #sweep(): void {
    for (const [owner, line] of this.#lines) {
      if (!line.sending && this.#directory.isGone(owner)) this.#forget(owner, line)
    }
  }

  #forget(owner: number, line: Outgoing): void {
    line.outbox.close()
    if (this.#lines.get(owner) === line) this.#lines.delete(owner)
  }
}

function asRow({ webhookId, subscriptionId, sizeBytes }: Delivery): HandedRow {
  return [webhookId, subscriptionId, sizeBytes]
}
