import { type Bell, lanesNotice } from '../cluster/bell.ts'
import type { Membership } from '../cluster/membership.ts'
import type { Notices } from '../cluster/notices.ts'
import { PostgresBell } from '../cluster/postgres-bell.ts'
import { RedisBell } from '../cluster/redis-bell.ts'
import type { Config } from '../config/config.ts'
import { ConcurrencyShare } from '../dispatch/concurrency-share.ts'
import type { Throttle } from '../dispatch/throttle.ts'
import type { OwedKey } from '../handover/handed-rows.ts'
import type { Holder } from '../handover/holder.ts'
import { HandoverReceiver } from '../handover/receiver.ts'
import { HandoverSender } from '../handover/sender.ts'
import type { UnsureRows } from '../handover/unsure-rows.ts'
import type { Clock } from '../platform/clock.ts'
import { installationId } from '../platform/installation.ts'
import type { Logger } from '../platform/logger.ts'
import type { Database } from '../platform/postgres.ts'
import { openRedis, type RedisLink } from '../platform/redis.ts'
import type { Subscriptions } from '../subscriptions/subscriptions.ts'
import type { Outbound } from './outbound.ts'

export interface MessengerDeps {
  readonly config: Pick<Config, 'ingestTimeoutMs' | 'redisUrl' | 'role'>
  readonly database: Database
  readonly notices: Notices
  readonly membership: Membership
  readonly subscriptions: Subscriptions
  readonly throttle: Throttle
  readonly unsure: UnsureRows
  readonly clock: Clock
  readonly logger: Logger
  /** What delivers here; undefined: nothing does. */
  readonly outbound: Outbound | undefined
}

/** How this process reaches the others: over PostgreSQL, and over Redis where there is one. */
export class Messengers {
  readonly bell: Bell
  /** Who takes over what this process accepts; undefined where it delivers itself, or over PostgreSQL alone. */
  readonly handOff: Holder | undefined
  readonly link: RedisLink | undefined
  readonly #deps: MessengerDeps
  readonly #redis: RedisBell | undefined
  readonly #handOff: HandoverSender | undefined
  #slots: ConcurrencyShare | undefined
  #receiver: HandoverReceiver | undefined
  #freeing: NodeJS.Timeout | undefined

  static async open(deps: MessengerDeps): Promise<Messengers> {
    const { database, logger } = deps
    const { redisUrl } = deps.config
    if (redisUrl === undefined) return new Messengers(deps, undefined)
    // Each installation has keys of its own, so that several can share one Redis.
    const id = await installationId(database)
    return new Messengers(deps, openRedis({ url: redisUrl, prefix: `webhooks:${id}`, logger }))
  }

  private constructor(deps: MessengerDeps, link: RedisLink | undefined) {
    const postgres = new PostgresBell(deps.notices.connection)
    this.#deps = deps
    this.link = link
    this.#redis = link && new RedisBell(link, postgres)
    this.bell = this.#redis ?? postgres
    if (deps.outbound) this.#join(deps.outbound)
    deps.membership.on('newId', () => this.#receiver?.renew())
    if (!link || deps.outbound) return
    this.#handOff = new HandoverSender({
      link,
      clock: deps.clock,
      lost: (owner, rows) => this.#free(owner, rows),
    })
    this.handOff = this.#handOff
  }

  /** Joins what delivers here to the others. */
  #join(outbound: Outbound): void {
    const { config, database, clock, logger, membership, notices, subscriptions, throttle } = this.#deps
    const subscription = (id: number) => subscriptions.get(id)
    const { dispatcher, lanes } = outbound
    const ring = () => lanes.ring(clock.now())
    notices.on(lanesNotice, ring)
    this.#redis?.onRing(ring)
    this.#slots = new ConcurrencyShare({
      clock,
      membership,
      subscription,
      inFlight: id => dispatcher.inFlightTo(id),
      nudge: id => dispatcher.nudge(id),
      link: this.link,
    })
    throttle.shareSlots(this.#slots)
    // A process that accepts events itself has enough to do with those.
    if (!this.link || config.role !== 'worker') return
    const receiver = new HandoverReceiver({
      link: this.link,
      connection: database.connection('handed', { queryTimeoutMs: 5000 }),
      clock,
      logger,
      membership,
      // An event waits for its statement so long at most, and the statement may then take as long.
      commitMsMax: 2 * config.ingestTimeoutMs,
      subscription,
      opensAt: to => throttle.opensAt(to),
      room: () => outbound.roomForFresh,
      reserve: ({ id, tenant }, sizeBytes) => dispatcher.reserve(id, tenant, sizeBytes, true),
      push: delivery => dispatcher.push(delivery),
    })
    outbound.onLeft(delivery => receiver.left(delivery))
    this.#receiver = receiver
  }

  start(): void {
    this.#receiver?.start()
  }

  /** Takes nothing over from now on; call it before what delivers is stopped. */
  async leave(): Promise<void> {
    await this.#receiver?.stop()
  }

  async close(): Promise<void> {
    clearTimeout(this.#freeing)
    this.#handOff?.close()
    this.#slots?.close()
    await this.link?.close()
  }

  /** Committed, and leased to a process that will not hear of it: to the lanes at once, or as soon as that works. */
  #free(owner: number, rows: readonly OwedKey[]): void {
    const { unsure, notices } = this.#deps
    unsure.add(rows.map(({ webhookId }) => ({ webhookId, owner })))
    this.#freeing ??= setTimeout(() => {
      this.#freeing = undefined
      unsure.release(notices.connection).then(
        freed => freed > 0 && this.bell.ring(),
        () => {}, // looked for again within 5 s
      )
    }, 20)
  }
}
