import { randomUUID } from 'node:crypto'
import type { Bell } from '../cluster/bell.ts'
import type { Delivery } from '../model/delivery.ts'
import type { RedisClient, RedisLink } from '../platform/redis.ts'
import type { Subscription } from '../subscriptions/subscription.ts'
import { type MessageRow, openQueueTo, type QueueTo } from './bullmq.ts'
import { type Handover, type HotLaneDeps, mayBeHot, type OfferedRow } from './handover.ts'
import type { LaneReturn } from './lane-return.ts'
import { Workers } from './workers.ts'

/** Rows in one message, and rows that wait for the message before them; what is beyond goes to its lane. */
const messageMax = 500
const waitingMax = 20_000

export interface RedisHandoverDeps extends HotLaneDeps {
  readonly link: RedisLink
  readonly bell: Pick<Bell, 'ring'>
  readonly laneReturn: LaneReturn
}

/** What is on its way to one worker. */
interface Outgoing {
  readonly queue: QueueTo
  readonly waiting: MessageRow[]
  /** Until nothing waits any more; undefined: nothing is under way. */
  sending: Promise<void> | undefined
}

/**
 * Hands fresh deliveries to workers. The worker is chosen before the row is written; after the commit a message tells it,
 * many deliveries in one (natural batching: those that come while a message is under way share the next). PostgreSQL
 * holds all of it before Redis hears a word. A message whose fate is unknown is left to the worker, which looks at its
 * rows (`LeasedRows`): only the worker knows what it holds, so nobody else takes a row from it that it was told of.
 */
export class RedisHandover implements Handover {
  readonly #deps: RedisHandoverDeps
  readonly #connection: RedisClient
  readonly #workers: Workers
  readonly #outgoing = new Map<number, Outgoing>()
  /** Makes the ids of messages differ from those of other processes. */
  readonly #me = randomUUID()
  #messages = 0

  constructor(deps: RedisHandoverDeps) {
    this.#deps = deps
    this.#connection = deps.link.bullConnection('producer')
    this.#workers = new Workers(deps.link)
  }

  /** Workers to which a queue is open: each holds listeners on the connection. */
  get queues(): number {
    return this.#outgoing.size
  }

  offer(subscription: Subscription): number | null {
    if (!this.#deps.link.isUsable || !mayBeHot(subscription, this.#deps)) return null
    return this.#workers.choose(subscription.id) ?? null
  }

  commit(owner: number | null, delivery: Delivery): void {
    if (owner === null) {
      this.#deps.bell.ring()
      return
    }
    // It left or fell silent between the offer and the commit, or messages to it take too long: it is not told.
    const outgoing = this.#workers.has(owner) ? this.#outgoingTo(owner) : undefined
    if (!outgoing || outgoing.waiting.length >= waitingMax) {
      this.#deps.laneReturn.add(owner, delivery)
      return
    }
    outgoing.waiting.push([delivery.webhookId, delivery.subscriptionId, delivery.sizeBytes])
    // At the end of this turn of the event loop, so that what one transaction wrote goes in one message.
    outgoing.sending ??= new Promise(resolve => setImmediate(resolve)).then(() => this.#send(owner, outgoing))
  }

  /** A row that was written all the same is found by the worker it is leased to. */
  abort({ owner }: OfferedRow): void {
    if (owner !== null) this.#workers.release(owner)
  }

  /** Sends what waits; a message that Redis does not take is given up after its command timeout. */
  async stop(): Promise<void> {
    await Promise.all([...this.#outgoing.values()].map(({ sending }) => sending))
    for (const { queue } of this.#outgoing.values()) queue.close()
    this.#outgoing.clear()
    await this.#deps.laneReturn.close()
  }

  async #send(owner: number, outgoing: Outgoing): Promise<void> {
    const { link, laneReturn } = this.#deps
    while (outgoing.waiting.length > 0) {
      const rows = outgoing.waiting.splice(0, messageMax)
      try {
        await outgoing.queue.send({ id: `${this.#me} ${++this.#messages}`, rows })
      } catch (error) {
        link.report(error)
        for (const [webhookId, subscriptionId] of outgoing.waiting.splice(0))
          laneReturn.add(owner, { webhookId, subscriptionId })
      }
    }
    outgoing.sending = undefined
    if (!this.#workers.has(owner)) this.#forget(owner, outgoing)
  }

  #outgoingTo(owner: number): Outgoing {
    const known = this.#outgoing.get(owner)
    if (known) return known
    this.#closeUnused()
    const queue = openQueueTo(this.#deps.link, this.#connection, owner)
    const outgoing = { queue, waiting: [], sending: undefined }
    this.#outgoing.set(owner, outgoing)
    return outgoing
  }

  /**
   * Closes the queues to workers that went while nothing was on its way to them. Called for each queue that is opened, so
   * there are never more than workers there were at one time, however many come and go.
   */
  #closeUnused(): void {
    for (const [owner, outgoing] of this.#outgoing)
      if (!outgoing.sending && this.#workers.isGone(owner)) this.#forget(owner, outgoing)
  }

  #forget(owner: number, outgoing: Outgoing): void {
    outgoing.queue.close()
    if (this.#outgoing.get(owner) === outgoing) this.#outgoing.delete(owner)
  }
}
