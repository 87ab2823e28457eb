import type { Member } from '../cluster/membership.ts'
import type { Destination } from '../destinations/destination.ts'
import type { Throttle } from '../dispatch/throttle.ts'
import type { DeliveryLog } from '../log/log.ts'
import type { Delivery, DeliveryContent } from '../model/delivery.ts'
import type { HasLine } from '../model/event-lines.ts'
import type { Outcome } from '../model/outcome.ts'
import type { LanePause } from '../model/pause.ts'
import { maxAgeMs } from '../model/retry-policy.ts'
import { type Traceparent, traceIdOf } from '../model/traceparent.ts'
import { type Verdict, verdict } from '../model/verdict.ts'
import type { Clock } from '../platform/clock.ts'
import type { Logger } from '../platform/logger.ts'
import type { Troubles } from '../platform/troubles.ts'
import type { ReceiverStates } from '../subscriptions/receiver-states.ts'
import type { Subscription } from '../subscriptions/subscription.ts'
import type { Tracing } from '../tracing/tracing.ts'
import type { ContentLoader } from './content-loader.ts'
import type { LoadedDelivery } from './message.ts'
import { tellPostponed } from './outages.ts'
import { ReplayTurns } from './replay-turns.ts'
import { send } from './send.ts'

export interface DeliverDeps {
  readonly clock: Clock
  readonly random: () => number
  readonly destination: Destination
  readonly contents: ContentLoader
  readonly throttle: Throttle
  readonly receivers: ReceiverStates
  /** Takes what waits for the subscription back to its lane. */
  readonly interrupt: (subscriptionId: number) => void
  readonly log: DeliveryLog
  readonly retentionMs: number
  readonly userAgent: string
  readonly logger: Logger
  readonly troubles: Troubles
  /** Which events have lines; all unless given. */
  readonly hasLine?: HasLine
  /** Undefined: nothing is traced. */
  readonly tracing?: Pick<Tracing, 'attempting'> | undefined
  /** True once the service cuts off what is in flight to stop: such an attempt does not count. */
  readonly isCuttingOff: () => boolean
  /** While it is not sure, what this process holds may be others' by now. */
  readonly membership: Pick<Member, 'isSure'>
}

/** How long a subscription waits before it is tried again: what connections hold comes back sooner than a proxy. */
const ownPauseMs = { proxy: 5000, other: 1000 } as const

/** A delivery that may be sent now. */
interface Loaded extends LoadedDelivery {
  readonly kind: 'loaded'
  readonly delivery: Delivery
  /** Unix milliseconds after which no attempt may be made. */
  readonly expiresAt: number
}

/** What was read of an event; undefined: it is no longer stored. */
type Content = DeliveryContent | undefined | 'not read'

/** Why a delivery is not sent, though its turn has come. */
type NotSent =
  /** The subscription was deleted. Its lane ends what is owed to it. */
  | { readonly kind: 'subscription_gone' }
  /** The subscription was paused. Its lane waits. */
  | { readonly kind: 'subscription_paused' }
  /** The time limit of the delivery has passed. */
  | { readonly kind: 'too_old' }
  /** The event is no longer stored. */
  | { readonly kind: 'payload_gone' }
  /** It is stored without its payload, which was removed on request. */
  | { readonly kind: 'payload_expunged' }
  /** The database is away. The row stays owed, and its payload is read again. */
  | { readonly kind: 'payload_not_read'; readonly to: Subscription }
  /** This process may have lost its lease, so that another one sends it. */
  | { readonly kind: 'maybe_not_ours'; readonly to: Subscription }
  /** The service is about to stop, and would cut it off. */
  | { readonly kind: 'stopping'; readonly to: Subscription }

type Unreachable = Extract<Outcome, { kind: 'unreachable' }>

/** An attempt that was made, and what follows from it. */
interface Attempted {
  readonly kind: 'attempted'
  readonly to: Subscription
  readonly outcome: Outcome
  readonly verdict: Verdict
  /** Unix milliseconds when it ended. */
  readonly at: number
}

/** What is decided about a delivery whose turn has come. */
type Decision =
  | NotSent
  | Attempted
  /** The service stops and has ended it. Whether it arrived is not known, so it does not count. */
  | { readonly kind: 'cut_off' }
  /** This service could not send, for want of something of its own. The receiver was not asked, so no attempt is spent. */
  | { readonly kind: 'postponed'; readonly to: Subscription; readonly why: Unreachable }

/** Makes one attempt for a delivery, from its content to the settlement of what came of it. */
export class Deliver {
  readonly #deps: DeliverDeps
  readonly #replayTurns = new ReplayTurns()

  constructor(deps: DeliverDeps) {
    this.#deps = deps
  }

  /**
   * Resolves when the receiver has answered or failed, with whether it answered; the settlement is durable later.
   * Never rejects.
   */
  async attempt(delivery: Delivery, subscription: Subscription | undefined): Promise<boolean> {
    // Waited for only where it takes time: so the request of a fresh event leaves before its sender is answered. The other
    // way round costs 10 % of all deliveries per second, as each answer wakes a sender while there is work to do here.
    const loading = this.#load(delivery, subscription)
    const loaded = loading instanceof Promise ? await loading : loading
    if (loaded.kind !== 'loaded') return this.#record(delivery, loaded)
    const { to, content } = loaded
    const span = this.#deps.tracing?.attempting({ delivery, content, origin: to.origin })
    const outcome = await send(this.#deps, loaded, span)
    span?.ended(outcome)
    return this.#record(delivery, this.#verdict(loaded, outcome), span?.traceparent ?? content.traceparent)
  }

  /** Checks whether the delivery is to be sent at all, and reads its payload where that is not in memory. */
  #load(delivery: Delivery, to: Subscription | undefined): Loaded | NotSent | Promise<Loaded | NotSent> {
    if (!to) return { kind: 'subscription_gone' }
    if (to.paused) return { kind: 'subscription_paused' }
    const expiresAt = delivery.since + maxAgeMs(to.retry, this.#deps.retentionMs)
    if (this.#deps.clock.now() > expiresAt) return { kind: 'too_old' }
    const loaded = (content: Content) => this.#loaded(delivery, to, content, expiresAt)
    const held = this.#deps.contents.heldBy(delivery)
    return held ? loaded(held) : this.#read(delivery).then(loaded)
  }

  /** Asked when the payload has been read, which may have taken long. */
  #loaded(delivery: Delivery, to: Subscription, content: Content, expiresAt: number): Loaded | NotSent {
    if (!this.#deps.membership.isSure) return { kind: 'maybe_not_ours', to }
    if (this.#deps.isCuttingOff()) return { kind: 'stopping', to }
    if (content === 'not read') return { kind: 'payload_not_read', to }
    if (content === undefined) return { kind: 'payload_gone' }
    if (content.isExpunged) return { kind: 'payload_expunged' }
    return { kind: 'loaded', delivery, to, content, expiresAt }
  }

  async #read({ webhookId, trigger }: Delivery): Promise<Content> {
    if (trigger === 'replay') await this.#replayTurns.turn()
    try {
      return await this.#deps.contents.load(webhookId)
    } catch {
      return 'not read'
    }
  }

  #verdict({ delivery, to, expiresAt }: Loaded, outcome: Outcome): Decision {
    const { clock, random, isCuttingOff } = this.#deps
    if (outcome.kind === 'unreachable') {
      if (isCuttingOff()) return { kind: 'cut_off' }
      if (outcome.fault === 'ours') return { kind: 'postponed', to, why: outcome }
    }
    const at = clock.now()
    const next = verdict({
      outcome,
      attemptsMade: delivery.attemptsBefore + 1,
      policy: to.retry,
      now: at,
      expiresAt,
      random: random(),
    })
    return { kind: 'attempted', to, outcome, verdict: next, at }
  }

  /** Writes down what was decided, and takes what waits behind it out of the way. @returns whether the receiver answered */
  #record(delivery: Delivery, decision: Decision, traceparent?: Traceparent | null): boolean {
    switch (decision.kind) {
      case 'attempted':
        this.#settle(delivery, decision, traceparent)
        return decision.outcome.kind !== 'unreachable'
      case 'subscription_gone':
      case 'subscription_paused':
      case 'cut_off':
        this.#handBack(delivery)
        return false
      case 'payload_not_read':
      case 'maybe_not_ours':
      case 'stopping':
        if (decision.to.ordered) this.#deps.interrupt(decision.to.id) // or the next one would overtake it
        this.#handBack(delivery)
        return false
      case 'too_old':
        this.#end(delivery, 'expired', 'too old: its time limit has passed')
        return false
      case 'payload_gone':
        this.#end(delivery, 'expired', 'its payload is no longer stored')
        return false
      case 'payload_expunged':
        // Who expunged it ends it in the log. What of it is owed for all that ends when its lane brings it.
        if (delivery.lane === null) this.#handBack(delivery)
        else this.#end(delivery, 'cancelled', 'the payload was expunged')
        return false
      case 'postponed':
        this.#postpone(delivery, decision.to, decision.why)
        return false
    }
  }

  #settle(
    delivery: Delivery,
    { to, outcome, verdict, at }: Attempted,
    traceparent: Traceparent | null | undefined,
  ): void {
    const { log, logger, hasLine } = this.#deps
    const pause = this.#learn(to, outcome, verdict)
    const keepsPlace = to.ordered
    log.settle({ kind: 'attempted', delivery, outcome, verdict, at, keepsPlace, ...(pause && { pause }) })
    const failed = outcome.kind !== 'accepted'
    if (hasLine?.(delivery.webhookId, failed) ?? true)
      logAttempt(logger, delivery, outcome, verdict, traceparent)
  }

  /**
   * What the outcome says of the receiver. A pause takes effect here at once, and in all processes when its lane is
   * closed, which the log does just before it writes the settlement.
   */
  #learn(to: Subscription, outcome: Outcome, next: Verdict): LanePause | undefined {
    const { throttle, receivers } = this.#deps
    const { id: subscriptionId } = to
    const change = throttle.record(to, outcome)
    if (outcome.kind === 'gone') receivers.gone(subscriptionId, outcome.reason)
    let pause: LanePause | undefined
    switch (change.kind) {
      case 'none':
        break
      case 'recovered':
        receivers.recovered(subscriptionId)
        break
      case 'failing':
        receivers.failing(subscriptionId)
        break
      case 'paused':
        receivers.paused(subscriptionId, change.until, change.reason)
        pause = { subscriptionId, until: change.until, reason: change.reason }
    }
    if (to.ordered && next.kind === 'retry') {
      pause = {
        subscriptionId,
        until: Math.max(next.dueAt, pause?.until ?? 0),
        reason: pause?.reason ?? 'order',
      }
    }
    if (pause) this.#deps.interrupt(subscriptionId)
    return pause
  }

  /** Back to its lane, where it keeps its place if it came from there. */
  #handBack(delivery: Delivery): void {
    const at = delivery.lane ? delivery.dueAt : this.#deps.clock.now()
    this.#deps.log.settle({ kind: 'handed_back', delivery, at })
  }

  /** It ends without an attempt. */
  #end(delivery: Delivery, verdict: 'expired' | 'cancelled', reason: string): void {
    this.#deps.log.settle({ kind: 'ended', delivery, verdict, reason, at: this.#deps.clock.now() })
  }

  /**
   * The delivery keeps its place, and the subscription waits, in all processes; each round costs one delivery or a few of
   * it, not all that it is owed. This goes on until the lack is over, or the delivery too old.
   */
  #postpone(delivery: Delivery, { id: subscriptionId }: Subscription, why: Unreachable): void {
    const { clock, throttle, log, logger, interrupt, troubles } = this.#deps
    const { errorClass, errorCode = errorClass, error } = why
    const until = clock.now() + ownPauseMs[errorClass === 'proxy' ? 'proxy' : 'other']
    const pause: LanePause = { subscriptionId, until, reason: 'ours' }
    throttle.pause(subscriptionId, until, pause.reason)
    interrupt(subscriptionId)
    log.settle({ kind: 'handed_back', delivery, at: delivery.dueAt, pause })
    tellPostponed(troubles, errorCode, error)
    logger.debug({ webhook_id: delivery.webhookId, subscription_id: subscriptionId, error }, 'postponed')
  }
}

/** The one wide line of an attempt. */
function logAttempt(
  logger: Logger,
  delivery: Delivery,
  outcome: Outcome,
  next: Verdict,
  traceparent: Traceparent | null | undefined,
): void {
  const failure = outcome.kind === 'accepted' ? undefined : outcome
  logger.info(
    {
      webhook_id: delivery.webhookId,
      subscription_id: delivery.subscriptionId,
      attempt: delivery.attempt,
      outcome: outcome.kind,
      http_status: outcome.httpStatus,
      error_class: failure?.errorClass,
      error: failure?.error,
      duration_ms: outcome.durationMs,
      repeated: outcome.isRepeated,
      verdict: next.kind,
      next_at: next.kind === 'retry' ? new Date(next.dueAt).toISOString() : undefined,
      trace_id: traceIdOf(traceparent),
    },
    'attempt',
  )
}
