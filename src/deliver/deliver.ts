import type { Member } from '../cluster/membership.ts'
import type { OutgoingRequest } from '../destinations/http/exchange.ts'
import { signatures } from '../destinations/http/sign.ts'
import type { Throttle } from '../dispatch/throttle.ts'
import { proxyUnavailable } from '../egress/egress-error.ts'
import type { DeliveryLog } from '../log/log.ts'
import type { Delivery, DeliveryContent } from '../model/delivery.ts'
import type { Outcome } from '../model/outcome.ts'
import type { LanePause } from '../model/pause.ts'
import { maxAgeMs } from '../model/retry-policy.ts'
import { type Verdict, verdict } from '../model/verdict.ts'
import type { Clock } from '../platform/clock.ts'
import type { Logger } from '../platform/logger.ts'
import type { ReceiverStates } from '../subscriptions/receiver-states.ts'
import type { Subscription } from '../subscriptions/subscription.ts'
import type { ContentLoader } from './content-loader.ts'

export interface DeliverDeps {
  readonly clock: Clock
  readonly random: () => number
  readonly send: (request: OutgoingRequest) => Promise<Outcome>
  readonly contents: ContentLoader
  readonly throttle: Throttle
  readonly receivers: ReceiverStates
  /** Takes what waits for the subscription back to its lane. */
  readonly interrupt: (subscriptionId: number) => void
  readonly log: DeliveryLog
  readonly retentionMs: number
  readonly userAgent: string
  readonly logger: Logger
  /** True once the service cuts off what is in flight to stop: such an attempt does not count. */
  readonly isCuttingOff: () => boolean
  /** While it is not sure, what this process holds may be others' by now. */
  readonly membership: Pick<Member, 'isSure'>
}

/** So long a subscription waits for the egress proxy before it is tried again. */
const proxyPauseMs = 5000

/** Makes one attempt for a delivery, from its content to the settlement of what came of it. */
export class Deliver {
  readonly #deps: DeliverDeps

  constructor(deps: DeliverDeps) {
    this.#deps = deps
  }

  /**
   * Resolves when the receiver has answered or failed, with whether it answered; the settlement is durable later.
   * Never rejects.
   */
  async attempt(delivery: Delivery, subscription: Subscription | undefined): Promise<boolean> {
    const { log, clock, random, retentionMs } = this.#deps
    // Its lane knows what to do: wait, or end what is owed to a subscription that is gone.
    if (!subscription || subscription.paused) return this.#handBack(delivery)
    const expiresAt = delivery.since + maxAgeMs(subscription.retry, retentionMs)
    if (clock.now() > expiresAt) return this.#expire(delivery, 'too old: its time limit has passed')

    const content = delivery.content ?? (await this.#load(delivery))
    const mayGo = this.#deps.membership.isSure && !this.#deps.isCuttingOff() // no longer, perhaps, after the content was read
    if (content === 'unavailable' || !mayGo) {
      if (subscription.ordered) this.#deps.interrupt(subscription.id) // or the next one would overtake it
      return this.#handBack(delivery)
    }
    if (content === undefined) return this.#expire(delivery, 'its payload is no longer stored')

    const outcome = await this.#send(delivery, subscription, content)
    const at = clock.now()
    if (outcome.kind === 'failed' && this.#deps.isCuttingOff()) return this.#handBack(delivery)
    if (outcome.kind === 'failed' && outcome.errorCode === proxyUnavailable) {
      return this.#postpone(delivery, subscription, outcome.error)
    }
    const next = verdict({
      outcome,
      attemptsMade: delivery.attemptsBefore + 1,
      policy: subscription.retry,
      now: at,
      expiresAt,
      random: random(),
    })
    const pause = this.#learn(subscription, outcome, next)
    const keepsPlace = subscription.ordered
    log.settle({
      kind: 'attempted',
      delivery,
      outcome,
      verdict: next,
      at,
      keepsPlace,
      ...(pause && { pause }),
    })
    logAttempt(this.#deps.logger, delivery, outcome, next)
    return outcome.kind !== 'failed'
  }

  /**
   * What the outcome says of the receiver. A pause closes its lane for all processes, so it is written with the
   * settlement; here it takes effect at once.
   */
  #learn(subscription: Subscription, outcome: Outcome, next: Verdict): LanePause | undefined {
    const { throttle, receivers } = this.#deps
    const { id: subscriptionId } = subscription
    const change = throttle.record(subscription, outcome)
    if (outcome.kind === 'refused' && outcome.httpStatus === 410) receivers.gone(subscriptionId)
    if (change.kind === 'recovered') receivers.recovered(subscriptionId)
    if (change.kind === 'failing') receivers.failing(subscriptionId)
    let pause: LanePause | undefined
    if (change.kind === 'paused') {
      receivers.paused(subscriptionId, change.until, change.reason)
      pause = { subscriptionId, until: change.until, reason: change.reason }
    }
    if (subscription.ordered && next.kind === 'retry') {
      pause = {
        subscriptionId,
        until: Math.max(next.dueAt, pause?.until ?? 0),
        reason: pause?.reason ?? 'order',
      }
    }
    if (pause) this.#deps.interrupt(subscriptionId)
    return pause
  }

  #send(delivery: Delivery, subscription: Subscription, content: DeliveryContent): Promise<Outcome> {
    const now = this.#deps.clock.now()
    const timestamp = Math.floor(now / 1000)
    const { webhookId } = delivery
    const { contentType, eventType, payload } = content
    const { signingHeaders: names } = subscription
    // A subscription cannot choose a name that stands below; should one get here, receivers go by the last.
    const headers = [...subscription.headers, 'content-type', contentType, 'user-agent', this.#deps.userAgent]
    headers.push('accept-encoding', 'identity')
    headers.push(names.id, webhookId, names.timestamp, String(timestamp))
    headers.push(...signatures(subscription, webhookId, timestamp, payload, now))
    if (names.attempt !== null) headers.push(names.attempt, String(delivery.attempt))
    if (eventType !== null) headers.push('x-event-type', eventType)
    if (content.hops) headers.push('webhook-hop', String(content.hops))
    const { origin, path, timeoutMs, connectTimeoutMs } = subscription
    return this.#deps.send({ origin, path, headers, body: payload, timeoutMs, connectTimeoutMs })
  }

  async #load(delivery: Delivery): Promise<DeliveryContent | undefined | 'unavailable'> {
    try {
      return await this.#deps.contents.load(delivery.webhookId)
    } catch {
      return 'unavailable' // the database is away; the row stays owed, and is read again
    }
  }

  /** Ends or gives back a delivery without an attempt. @returns false: nobody answered */
  #expire(delivery: Delivery, reason: string): boolean {
    this.#deps.log.settle({ kind: 'ended', delivery, verdict: 'expired', reason, at: this.#deps.clock.now() })
    return false
  }

  /**
   * Our own proxy is away: nothing was asked of the receiver, so no attempt is spent. The delivery keeps its place, and
   * the subscription waits, in all processes; each round costs one delivery or a few of it, not all that it is owed.
   * This goes on until the proxy is back, or the delivery too old.
   */
  #postpone(delivery: Delivery, { id: subscriptionId }: Subscription, error: string): boolean {
    const { clock, throttle, log, logger, interrupt } = this.#deps
    const until = clock.now() + proxyPauseMs
    const pause: LanePause = { subscriptionId, until, reason: 'proxy' }
    throttle.pause(subscriptionId, until, pause.reason)
    interrupt(subscriptionId)
    log.settle({ kind: 'handed_back', delivery, at: delivery.dueAt, pause })
    logger.warn({ webhook_id: delivery.webhookId, subscription_id: subscriptionId, error }, 'postponed')
    return false
  }

  /** One that came from its lane keeps its place there. */
  #handBack(delivery: Delivery): boolean {
    const at = delivery.lane ? delivery.dueAt : this.#deps.clock.now()
    this.#deps.log.settle({ kind: 'handed_back', delivery, at })
    return false
  }
}

/** The one wide line of an attempt. */
function logAttempt(logger: Logger, delivery: Delivery, outcome: Outcome, next: Verdict): void {
  logger.info(
    {
      webhook_id: delivery.webhookId,
      subscription_id: delivery.subscriptionId,
      attempt: delivery.attempt,
      outcome: outcome.kind,
      http_status: outcome.kind === 'failed' ? undefined : outcome.httpStatus,
      error_class: outcome.kind === 'failed' ? outcome.errorClass : undefined,
      error: outcome.kind === 'success' ? undefined : outcome.error,
      duration_ms: outcome.durationMs,
      verdict: next.kind,
      next_at: next.kind === 'retry' ? new Date(next.dueAt).toISOString() : undefined,
    },
    'attempt',
  )
}
