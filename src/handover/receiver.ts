import { type Member, readLiving } from '../cluster/membership.ts'
import type { Delivery } from '../model/delivery.ts'
import type { Clock } from '../platform/clock.ts'
import { every, type Repeated } from '../platform/every.ts'
import { type Uuid, uuidTime } from '../platform/id.ts'
import type { Logger } from '../platform/logger.ts'
import type { Queryable } from '../platform/postgres.ts'
import type { RedisClient, RedisLink } from '../platform/redis.ts'
import type { Subscription } from '../subscriptions/subscription.ts'
import { type Letter, type Letters, openLetters, removeInbox } from './bullmq.ts'
import { HandedRows } from './handed-rows.ts'
import { announce, announceCrowded, announceEveryMs, announceLeaving } from './workers.ts'

export interface HandoverReceiverDeps {
  readonly link: RedisLink
  readonly connection: Queryable
  readonly clock: Clock
  readonly logger: Logger
  readonly membership: Pick<Member, 'id' | 'isSure'>
  /** How long after the time in its id a row may be committed. */
  readonly commitMsMax: number
  readonly subscription: (id: number) => Subscription | undefined
  /** When its receiver may be sent to (Unix milliseconds); 0: at once. */
  readonly opensAt: (subscription: Subscription) => number
  /** Fresh deliveries that there is room for. */
  readonly room: () => number
  readonly reserve: (subscription: Subscription, sizeBytes: number) => boolean
  readonly push: (delivery: Delivery) => void
}

/** How often this process looks for rows it should have heard of. */
const lookEveryMs = 2500

/**
 * A message that is older is not followed: its sender may have given it up after the link's command timeout (1 s), and
 * put its rows into their lanes. Redis brings such when it was frozen.
 */
const followMs = 700

/** Long enough that nobody chooses a process that has said that it leaves. */
const leaveMs = 300

/** Takes over what other processes accepted for this one: hears of it over Redis, and looks after what Redis loses. */
export class HandoverReceiver {
  readonly rows: HandedRows
  readonly #deps: HandoverReceiverDeps
  readonly #connection: RedisClient
  #letters: Letters | undefined
  #owner = 0
  #announcing: NodeJS.Timeout | undefined
  #looking: Repeated | undefined

  constructor(deps: HandoverReceiverDeps) {
    this.#deps = deps
    this.rows = new HandedRows(deps.connection, deps.clock, deps.membership, deps.commitMsMax)
    this.#connection = deps.link.bullConnection('worker')
  }

  start(): void {
    const { logger } = this.#deps
    this.#listen()
    this.#announcing = setInterval(() => this.#announce(), announceEveryMs)
    this.#announce()
    this.#looking = every(lookEveryMs, 'looking for deliveries that were handed over', logger, async () => {
      const freed = await this.rows.look()
      if (freed > 0) logger.warn({ freed }, 'found deliveries that no message has told of')
    })
  }

  /** The delivery has left memory. */
  left(delivery: Delivery): void {
    this.rows.left(delivery)
  }

  /** This process goes on under a new id: others choose it by that. */
  renew(): void {
    if (!this.#letters) return
    const before = this.#owner
    void this.#letters.close().catch(() => {})
    void forgetInbox(this.#deps.link, before).catch(() => {})
    this.rows.forget()
    this.#listen()
  }

  /** Takes nothing new from now on. What it holds is settled, or given back with the other holdings. */
  async stop(): Promise<void> {
    clearInterval(this.#announcing)
    announceLeaving(this.#deps.link, this.#owner)
    await new Promise(resolve => setTimeout(resolve, leaveMs))
    await this.#looking?.stop()
    await this.#letters?.close().catch(() => {})
    if (this.#deps.link.isUsable) await forgetInbox(this.#deps.link, this.#owner).catch(() => {})
  }

  #listen(): void {
    this.#owner = this.#deps.membership.id
    rememberInbox(this.#deps.link, this.#owner)
    this.#letters = openLetters(this.#deps.link, this.#connection, this.#owner, letter =>
      this.#receive(letter),
    )
  }

  #announce(): void {
    const { link, membership, room } = this.#deps
    announce(link, this.#owner, membership.isSure ? Math.max(0, room()) : 0)
  }

  #receive({ at, rows }: Letter): void {
    const isLate = this.#deps.clock.now() - at > followMs
    const isFollowed = !isLate && this.#deps.membership.isSure
    for (const [id, subscriptionId, sizeBytes] of rows) {
      const webhookId = id as Uuid // our own processes write here only
      const key = { webhookId, subscriptionId }
      if (!this.rows.accept(key)) continue
      if (isFollowed) this.#take(webhookId, subscriptionId, sizeBytes)
      else this.rows.giveUp(key)
    }
  }

  #take(webhookId: Uuid, subscriptionId: number, sizeBytes: number): void {
    const { subscription, opensAt, reserve, push, link } = this.#deps
    const to = subscription(subscriptionId)
    if (!to || to.paused || opensAt(to) > 0 || !reserve(to, sizeBytes)) {
      announceCrowded(link, subscriptionId)
      this.rows.giveUp({ webhookId, subscriptionId })
      return
    }
    const since = uuidTime(webhookId)
    push({
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
  }
}

const knownInboxes = 'inboxes'

/** Writes down that there is an inbox, so that it can be removed when its process has died. Best effort. */
export function rememberInbox(link: RedisLink, owner: number): void {
  link.client.sadd(link.key(knownInboxes), owner).catch(() => {}) // Redis is away: nothing is kept in it either
}

/** Removes an inbox with all that is in it: PostgreSQL holds what its messages told of. */
export async function forgetInbox(link: RedisLink, owner: number): Promise<void> {
  await removeInbox(link, owner)
  await link.client.srem(link.key(knownInboxes), owner)
}

/** Removes from Redis what dead processes left behind there. @returns how many inboxes there were */
export async function removeDeadInboxes(link: RedisLink, db: Queryable): Promise<number> {
  if (!link.isUsable) return 0
  // Redis first: a process is known to PostgreSQL before it has an inbox.
  const inboxes = await link.client.smembers(link.key(knownInboxes))
  const living = await readLiving(db)
  const dead = inboxes.map(Number).filter(owner => !living.has(owner))
  for (const owner of dead) await forgetInbox(link, owner)
  return dead.length
}
