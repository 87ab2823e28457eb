import type { HeldSince } from '../cluster/held-since.ts'
import type { Membership } from '../cluster/membership.ts'
import type { Config } from '../config/config.ts'
import { ContentLoader } from '../deliver/content-loader.ts'
import { Deliver } from '../deliver/deliver.ts'
import { RecentContents } from '../deliver/recent-contents.ts'
import type { AccessTokens } from '../destinations/http/http-destination.ts'
import {
  type ConnectorFor,
  HttpDestination,
  type HttpFigures,
} from '../destinations/http/http-destination.ts'
import { isLaneOnly, partOf } from '../dispatch/concurrency-share.ts'
import { Dispatcher } from '../dispatch/dispatcher.ts'
import type { Throttle } from '../dispatch/throttle.ts'
import { Lanes } from '../lanes/lanes.ts'
import { DeliveryLog } from '../log/log.ts'
import type { Delivery } from '../model/delivery.ts'
import { eventLines } from '../model/event-lines.ts'
import type { PathFacts } from '../model/path-facts.ts'
import type { Clock, SteerableClock } from '../platform/clock.ts'
import type { DatabaseHealth } from '../platform/database-health.ts'
import type { Deadline } from '../platform/deadline.ts'
import { uuidV7Source } from '../platform/id.ts'
import type { Logger } from '../platform/logger.ts'
import type { Database } from '../platform/postgres.ts'
import { fixedPlans } from '../platform/sql.ts'
import type { Troubles } from '../platform/troubles.ts'
import type { ReceiverStates } from '../subscriptions/receiver-states.ts'
import type { Subscription } from '../subscriptions/subscription.ts'
import type { Subscriptions } from '../subscriptions/subscriptions.ts'
import type { Tracing } from '../tracing/tracing.ts'
import { userAgent } from '../version.ts'

export interface OutboundDeps {
  readonly config: Config
  readonly database: Database
  readonly health: DatabaseHealth
  readonly troubles: Troubles
  readonly tracing: Tracing | undefined
  readonly subscriptions: Subscriptions
  readonly receivers: ReceiverStates
  /** Where connections to receivers come from. */
  readonly connectorFor: ConnectorFor
  /** Of subscriptions that authenticate by OAuth 2. */
  readonly tokens: AccessTokens
  readonly throttle: Throttle
  readonly clock: SteerableClock
  readonly random: () => number
  readonly logger: Logger
  readonly membership: Membership
  readonly ensurePartitions: () => Promise<void>
  /** Connections to receivers that the system has file descriptors for; undefined: it is not known. */
  readonly receiverConnectionsMax: number | undefined
  readonly facts: PathFacts
}

/** Deliveries held in memory: per subscription, and in all. The rest wait in their lanes. */
const heldPerSubscription = 1000
const heldInAll = 40_000

/** An id can be ahead of the clock by a little, and that of another process by more. */
const idsAheadMs = 1000

/** Attempts a receiver may have in flight before it has answered one. */
const firstInFlight = 4

/**
 * The second half of an event's path, its parts joined: lanes → dispatch → deliver → log. Each part knows only what it
 * is given here.
 */
export class Outbound {
  readonly dispatcher: Dispatcher
  readonly lanes: Lanes
  readonly log: DeliveryLog
  /** Of events that were accepted here and wait in their lanes. */
  readonly recentContents = new RecentContents()
  /** Requests to receivers that may be under way. */
  readonly maxInFlight: number
  readonly #destination: HttpDestination
  readonly #contents: ContentLoader
  readonly #heldBytesMax: number
  readonly #isLaneOnly: (to: Subscription) => boolean
  readonly #subscription: (id: number) => Subscription | undefined
  readonly #held: HeldSince
  readonly #clock: Clock
  readonly #logger: Logger
  #cuttingOff = false
  #onLeft: (delivery: Delivery) => void = () => {}

  constructor(deps: OutboundDeps) {
    const { config, database, subscriptions, clock, membership, logger } = deps
    const newId = uuidV7Source(clock)
    this.#logger = logger
    this.#clock = clock
    this.maxInFlight = Math.min(config.maxInFlight, deps.receiverConnectionsMax ?? config.maxInFlight)
    this.#held = membership.held
    this.#heldBytesMax = config.memoryLimitMb * 1024 * 1024
    const subscription = (id: number) => subscriptions.get(id)
    const lanesDue = (dueAt: number) => this.lanes.ring(dueAt)
    this.log = new DeliveryLog({
      connection: database.connection('log', { session: fixedPlans }),
      clock,
      newId,
      membership,
      logger,
      health: deps.health,
      troubles: deps.troubles,
      settled: (delivery, isOver) => this.#leaveMemory(delivery, isOver),
      pauseLanes: pauses => this.lanes.close(pauses),
      lanesDue,
      ensurePartitions: deps.ensurePartitions,
      facts: deps.facts,
    })
    membership.unwritten.on(() => this.log.oldest)
    this.#destination = new HttpDestination({
      clock,
      responseBytesMax: config.responseLimitBytes,
      connectorFor: deps.connectorFor,
      tokens: deps.tokens,
      connectionsMax: deps.receiverConnectionsMax,
      capture: { of: config.captureResponses, bodyBytesMax: config.captureBodyBytes },
    })
    const contents = database.connection('contents', { session: fixedPlans })
    this.#contents = new ContentLoader(contents, this.recentContents)
    const deliver = this.#makeDeliver(deps)
    this.dispatcher = new Dispatcher({
      limits: {
        maxInFlight: this.maxInFlight,
        heldPerSubscription,
        heldInAll,
        firstInFlight,
        originInFlight: () => partOf(config.originMaxInFlight, membership.position),
        heldBytes: this.#heldBytesMax,
      },
      subscription,
      clock,
      throttle: deps.throttle,
      defer: (id, deliveries) => this.lanes.defer(id, deliveries),
      attempt: (delivery, to) => deliver.attempt(delivery, to),
      membership: deps.membership,
      pushed: delivery => {
        if (delivery.lane === null) this.#held.entered(delivery.since)
      },
    })
    this.lanes = new Lanes({
      connection: database.connection('lanes', { session: fixedPlans }),
      clock,
      logger,
      membership,
      subscription,
      refreshSubscription: id => subscriptions.refresh(id),
      sink: this.dispatcher,
      statementMsMax: Math.max(config.ingestTimeoutMs, 5000),
      handBack: delivery => this.log.settle({ kind: 'handed_back', delivery, at: clock.now() }),
      rates: deps.throttle,
      isRecent: id => this.recentContents.has(id),
    })
    this.#isLaneOnly = to => isLaneOnly(to, membership.position.count)
    this.#subscription = subscription
    subscriptions.onChange((id, now) => {
      if (!now || now.paused || this.#isLaneOnly(now)) this.lanes.interrupt(id)
      else lanesDue(clock.now())
    })
    membership.on('beat', async () => this.dispatcher.wake())
    membership.on('newId', () => this.#disown())
    membership.on('joined', () => this.#joined())
    membership.on('recovered', lanesDue)
  }

  start(): void {
    this.lanes.start()
  }

  /** How many fresh deliveries of other processes would find room; beyond half of the memory they go to lanes. */
  get roomForFresh(): number {
    const { held, heldBytes } = this.dispatcher.load
    return heldBytes > this.#heldBytesMax / 2 ? 0 : Math.max(0, heldInAll / 2 - held)
  }

  /** Connections to receivers, and what was sent twice over them. */
  get connections(): HttpFigures {
    return this.#destination.figures
  }

  /** Others have taken over what this process held: it forgets what it has not begun. */
  #disown(): void {
    this.lanes.forget()
    for (const delivery of this.dispatcher.takeAll()) this.#leaveMemory(delivery, false)
  }

  /** Others deliver here from now on, so that there may be fewer attempts at a time than processes: see `isLaneOnly`. */
  #joined(): void {
    for (const id of this.dispatcher.withFresh()) {
      const to = this.#subscription(id)
      if (to && this.#isLaneOnly(to)) this.lanes.interrupt(id)
    }
  }

  /** The listener hears of each born-leased delivery that has left memory. */
  onLeft(listener: (delivery: Delivery) => void): void {
    this.#onLeft = listener
  }

  /** Begins no more attempts. What waits stays held: it is freed with all that this process holds. */
  beginNoMore(): void {
    this.dispatcher.stop()
  }

  /**
   * Begins no more attempts, gives those in flight until `attempts`, then cuts them off (they do not count), and writes
   * what came of them until `log`. What still waits is freed with all that this process holds.
   */
  async stop(until: { readonly attempts: Deadline; readonly log: Deadline }): Promise<void> {
    this.beginNoMore()
    await until.attempts.limit(this.lanes.stop())
    const haveEnded = await until.attempts.waitFor(() => this.dispatcher.load.inFlight === 0)
    this.#cuttingOff = true
    if (!haveEnded) {
      const { inFlight } = this.dispatcher.load
      this.#logger.warn(
        { cut_off: inFlight },
        'attempts are cut off, as the stop lasts no longer; they are made again',
      )
    }
    await this.#destination.close()
    if (await until.log.limit(this.log.drained())) return
    const { depth } = this.log
    this.#logger.warn(
      { unwritten: depth },
      'what attempts have come to could not be written before the end of the stop; they are made again',
    )
  }

  /** What this process has in memory of events that were accepted up to now is read again before it is sent. */
  payloadsExpunged(): void {
    this.#contents.expunged(this.#clock.now() + idsAheadMs)
  }

  #makeDeliver(deps: OutboundDeps): Deliver {
    return new Deliver({
      clock: deps.clock,
      random: deps.random,
      destination: this.#destination,
      contents: this.#contents,
      throttle: deps.throttle,
      receivers: deps.receivers,
      interrupt: id => this.lanes.interrupt(id),
      log: this.log,
      logger: deps.logger,
      troubles: deps.troubles,
      tracing: deps.tracing,
      hasLine: eventLines(deps.config.logEvents),
      retentionMs: deps.config.logRetentionHours * 3_600_000,
      userAgent: userAgent(deps.config.contactUrl),
      isCuttingOff: () => this.#cuttingOff,
      membership: deps.membership,
    })
  }

  /** A delivery is settled for good, or back in its lane: the room it took is free. */
  #leaveMemory(delivery: Delivery, isOver: boolean): void {
    if (delivery.lane) {
      delivery.lane.left(delivery, isOver)
      return
    }
    this.#held.left(delivery.since)
    this.dispatcher.release(delivery.subscriptionId, delivery.sizeBytes, true, delivery.shared)
    this.#onLeft(delivery)
  }
}
