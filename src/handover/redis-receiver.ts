import type { Member } from '../cluster/membership.ts'
import type { Uuid } from '../platform/id.ts'
import { uuidTime } from '../platform/id.ts'
import type { RedisClient, RedisLink } from '../platform/redis.ts'
import type { Subscription } from '../subscriptions/subscription.ts'
import { type Message, type OwnQueue, openOwnQueue, removeQueue } from './bullmq.ts'
import type { LeasedRows } from './leased-rows.ts'
import type { OwnMemory } from './own-memory.ts'
import { announce, announceEveryMs, announceFull, announceLeaving } from './workers.ts'

export interface HandoverReceiverDeps {
  readonly link: RedisLink
  readonly membership: Pick<Member, 'id' | 'isSure'>
  /** Where what is received is held, from then on as if this process had accepted it. */
  readonly ownMemory: OwnMemory
  readonly leasedRows: LeasedRows
  readonly subscription: (id: number) => Subscription | undefined
  /** Fresh deliveries that there is room for. */
  readonly room: () => number
}

/** Long enough that nobody chooses a process that has said that it leaves. */
const leaveMs = 300

/**
 * A message that comes again within this is known, unless 20,000 others came since. Later its rows are so old that
 * `LeasedRows` holds none of them.
 */
const knownMs = 10_000
const knownMax = 20_000

/** Takes over what other processes accepted for this one, as messages over Redis tell of it. */
export class HandoverReceiver {
  readonly #deps: HandoverReceiverDeps
  readonly #connection: RedisClient
  /** Messages that were heard, and when (`performance.now()`). */
  readonly #heard = new Map<string, number>()
  #queue: OwnQueue | undefined
  #owner = 0
  #announcing: NodeJS.Timeout | undefined

  constructor(deps: HandoverReceiverDeps) {
    this.#deps = deps
    this.#connection = deps.link.bullConnection('worker')
  }

  start(): void {
    this.#listen()
    this.#announcing = setInterval(() => this.#announce(), announceEveryMs)
    this.#announce()
  }

  /** This process goes on under a new id: others choose it by that. */
  renew(): void {
    if (!this.#queue) return
    const before = this.#owner
    void this.#queue.close().catch(() => {})
    void removeQueue(this.#deps.link, before).catch(() => {})
    this.#listen()
  }

  /** Takes nothing new from now on. What it holds is settled, or given back with the other holdings. */
  async stop(): Promise<void> {
    clearInterval(this.#announcing)
    announceLeaving(this.#deps.link, this.#owner)
    await new Promise(resolve => setTimeout(resolve, leaveMs))
    await this.#queue?.close().catch(() => {})
    if (this.#deps.link.isUsable) await removeQueue(this.#deps.link, this.#owner).catch(() => {})
  }

  #listen(): void {
    const owner = this.#deps.membership.id
    this.#owner = owner
    this.#queue = openOwnQueue(this.#deps.link, this.#connection, owner, message =>
      this.#receive(owner, message),
    )
  }

  #announce(): void {
    const { link, membership, room } = this.#deps
    announce(link, this.#owner, membership.isSure ? Math.max(0, room()) : 0)
  }

  #receive(owner: number, { id, rows }: Message): void {
    // What was leased to an earlier id of this process went to the lanes when that was declared dead.
    if (owner !== this.#deps.membership.id || this.#isKnown(id)) return
    const refused = new Set<number>()
    for (const [webhookId, subscriptionId, sizeBytes] of rows)
      if (!this.#take(webhookId, subscriptionId, sizeBytes)) refused.add(subscriptionId)
    if (this.#deps.membership.isSure) for (const id of refused) announceFull(this.#deps.link, id)
  }

  /** @returns false: there is no room for it here, and its row goes to its lane */
  #take(webhookId: Uuid, subscriptionId: number, sizeBytes: number): boolean {
    const { subscription, ownMemory, leasedRows } = this.#deps
    const to = subscription(subscriptionId)
    const owner = to ? ownMemory.offer(to, sizeBytes) : null
    if (owner === null) {
      leasedRows.refuse({ webhookId, subscriptionId })
      return false
    }
    const since = uuidTime(webhookId)
    ownMemory.commit(owner, {
      webhookId,
      subscriptionId,
      attempt: 1,
      attemptsBefore: 0,
      since,
      sizeBytes,
      dueAt: since,
      content: null,
      lane: null,
    })
    return true
  }

  /** Redis brings a message twice when it lost the news that it was read, as in a failover or a restart. */
  #isKnown(id: string): boolean {
    const now = performance.now()
    for (const [old, heardAt] of this.#heard) {
      if (heardAt > now - knownMs && this.#heard.size < knownMax) break
      this.#heard.delete(old)
    }
    if (this.#heard.has(id)) return true
    this.#heard.set(id, now)
    return false
  }
}
