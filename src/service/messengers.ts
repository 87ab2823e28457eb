import type { Engine } from '../cluster/bell.ts'
import { PostgresEngine } from '../cluster/postgres-bell.ts'
import { RedisEngine } from '../cluster/redis-bell.ts'
import type { Config } from '../config/config.ts'
import { type Seat, Slots } from '../dispatch/concurrency-share.ts'
import type { Gates } from '../dispatch/throttle.ts'
import type { OwedKey } from '../handover/handed-rows.ts'
import type { Holder } from '../handover/holder.ts'
import { Inbox } from '../handover/receiver.ts'
import { HandOff } from '../handover/sender.ts'
import type { UnsureRows } from '../handover/unsure-rows.ts'
import type { Clock } from '../platform/clock.ts'
import { installationId } from '../platform/installation.ts'
import type { Logger } from '../platform/logger.ts'
import type { Connection, Database } from '../platform/postgres.ts'
import { openRedis, type RedisLink } from '../platform/redis.ts'
import type { Subscriptions } from '../subscriptions/subscriptions.ts'
import type { Role } from './control.ts'
import type { Outbound } from './outbound.ts'

export interface MessengerDeps {
  readonly redisUrl: string | undefined
  readonly role: Role
  readonly config: Pick<Config, 'ingestTimeoutMs'>
  readonly database: Database
  readonly control: Connection
  readonly subscriptions: Subscriptions
  readonly gates: Gates
  readonly unsure: UnsureRows
  readonly clock: Clock
  readonly logger: Logger
  readonly owner: () => number
  /** False while others may have declared this process dead, and taken over what it holds. */
  readonly isSure: () => boolean
  readonly seat: () => Seat
}

/** How this process reaches the others: over PostgreSQL, and over Redis where there is one. */
export class Messengers {
  readonly engine: Engine
  /** Who takes over what this process accepts; undefined where it delivers itself, or over PostgreSQL alone. */
  readonly handOff: Holder | undefined
  readonly link: RedisLink | undefined
  readonly #deps: MessengerDeps
  readonly #redis: RedisEngine | undefined
  readonly #handOff: HandOff | undefined
  #slots: Slots | undefined
  #inbox: Inbox | undefined
  #freeing: NodeJS.Timeout | undefined

  static async open(deps: MessengerDeps): Promise<Messengers> {
    const { redisUrl, database, logger } = deps
    if (redisUrl === undefined) return new Messengers(deps, undefined)
    // Each installation has keys of its own, so that several can share one Redis.
    const id = await installationId(database)
    return new Messengers(deps, openRedis({ url: redisUrl, prefix: `webhooks:${id}`, logger }))
  }

  private constructor(deps: MessengerDeps, link: RedisLink | undefined) {
    const postgres = new PostgresEngine(deps.control)
    this.#deps = deps
    this.link = link
    this.#redis = link && new RedisEngine(link, postgres)
    this.engine = this.#redis ?? postgres
    if (!link || deps.role !== 'api') return
    this.#handOff = new HandOff({ link, clock: deps.clock, lost: (owner, rows) => this.#free(owner, rows) })
    this.handOff = this.#handOff
  }

  /** Joins what delivers here to the others. */
  attach(outbound: Outbound): void {
    const { role, config, database, clock, logger, owner, isSure, subscriptions, gates } = this.#deps
    const subscription = (id: number) => subscriptions.get(id)
    const { dispatcher, lanes } = outbound
    this.#redis?.onRing(() => lanes.ring(clock.now()))
    this.#slots = new Slots({
      clock,
      seat: this.#deps.seat,
      subscription,
      inFlight: id => dispatcher.inFlightTo(id),
      nudge: id => dispatcher.nudge(id),
      link: this.link,
    })
    gates.shareSlots(this.#slots)
    // A process that accepts events itself has enough to do with those.
    if (!this.link || role !== 'worker') return
    const inbox = new Inbox({
      link: this.link,
      connection: database.connection('handed', { queryTimeoutMs: 5000 }),
      clock,
      logger,
      owner,
      isSure,
      // An event waits for its statement so long at most, and the statement may then take as long.
      commitMsMax: 2 * config.ingestTimeoutMs,
      subscription,
      opensAt: to => gates.opensAt(to),
      room: () => outbound.roomForFresh,
      reserve: ({ id, tenant }, sizeBytes) => dispatcher.reserve(id, tenant, sizeBytes, true),
      push: delivery => dispatcher.push(delivery),
    })
    outbound.onLeft(delivery => inbox.left(delivery))
    this.#inbox = inbox
  }

  start(): void {
    this.#inbox?.start()
  }

  /** This process goes on under a new id. */
  renew(): void {
    this.#inbox?.renew()
  }

  /** Takes nothing over from now on; call it before what delivers is stopped. */
  async leave(): Promise<void> {
    await this.#inbox?.stop()
  }

  async close(): Promise<void> {
    clearTimeout(this.#freeing)
    this.#handOff?.close()
    this.#slots?.close()
    await this.link?.close()
  }

  /** Committed, and leased to a process that will not hear of it: to the lanes at once, or as soon as that works. */
  #free(owner: number, rows: readonly OwedKey[]): void {
    const { unsure, control } = this.#deps
    unsure.add(rows.map(({ webhookId }) => ({ webhookId, owner })))
    this.#freeing ??= setTimeout(() => {
      this.#freeing = undefined
      unsure.release(control).then(
        freed => freed > 0 && this.engine.ring(),
        () => {}, // looked for again within 5 s
      )
    }, 20)
  }
}
