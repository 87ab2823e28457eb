import type { FoundInFlight } from '../model/in-flight.ts'
import type { Outcome } from '../model/outcome.ts'
import type { PauseReason } from '../model/pause.ts'
import type { Clock } from '../platform/clock.ts'
import type { Subscription } from '../subscriptions/subscription.ts'
import { AdaptiveLimit, isTooMuch, startInFlight } from './adaptive-limit.ts'
import type { ConcurrencyShare } from './concurrency-share.ts'
import { type CircuitRules, ReceiverThrottle, type ThrottleChange } from './receiver-throttle.ts'

const none: ThrottleChange = { kind: 'none' }
const recovered: ThrottleChange = { kind: 'recovered' }

/**
 * At most this many receivers are remembered. Beyond it the one that came first is forgotten, in whatever mode it is: its
 * lane stays closed for as long as it was paused, but what comes fresh from ingest is sent to it as if it were well.
 */
const receiversMax = 50_000

/** What was found out is not needed any more when no delivery has waited for a slot for this long. */
const forgetMs = 300_000

/**
 * How much may be sent to each receiver now. Nothing is remembered of one without any trouble and without a rate limit:
 * it costs a look into a map.
 */
export class Throttle {
  readonly #clock: Clock
  readonly #circuit: CircuitRules
  readonly #receivers = new Map<number, ReceiverThrottle>()
  /** Of those subscriptions that leave their number to be found out, and have more to do than they began with. */
  readonly #limits = new Map<number, AdaptiveLimit>()
  /** What was found out before this process was started. */
  #found = new Map<number, number>()
  #foundAt = 0
  #share: ConcurrencyShare | undefined

  constructor(clock: Clock, circuit: CircuitRules) {
    this.#clock = clock
    this.#circuit = circuit
  }

  /** From now on `max_in_flight` is shared with other processes. Without, all of it is this one's. */
  shareWith(share: ConcurrencyShare): void {
    this.#share = share
  }

  /** How many requests to it may be in flight now. */
  cap(subscription: Subscription): number {
    const most = this.#most(subscription)
    const receiver = this.#receivers.get(subscription.id)
    if (!subscription.isAdaptive) return receiver?.cap(most) ?? most
    if (receiver?.isProbing) return 1
    return Math.min(most, this.#limits.get(subscription.id)?.limit ?? this.#startOf(subscription.id))
  }

  /** A delivery waits because `cap` is reached: with others who have room to spare, it may be more soon. */
  isShort(subscription: Subscription): void {
    if (subscription.isAdaptive) {
      const limit = this.#limitOf(subscription.id)
      limit.isShort()
      if (limit.limit >= this.#most(subscription)) this.#share?.ask(subscription)
      return
    }
    if (!this.#share) return
    const most = this.#most(subscription)
    // A receiver in trouble gets fewer than it may have; more would not help it.
    if ((this.#receivers.get(subscription.id)?.cap(most) ?? most) === most) this.#share.ask(subscription)
  }

  #most(subscription: Subscription): number {
    if (subscription.ordered) return 1
    return this.#share ? this.#share.cap(subscription) : subscription.maxInFlight
  }

  /** Unix milliseconds from which something may be sent to it; 0: at once. */
  opensAt(subscription: Subscription): number {
    const receiver = this.#receivers.get(subscription.id)
    if (!receiver) return 0
    const now = this.#clock.now()
    const at = receiver.opensAt(subscription, now)
    return at <= now ? 0 : at
  }

  /** An attempt begins, which uses up some of what may be sent. */
  begin(subscription: Subscription): void {
    const { id, rateLimit } = subscription
    const receiver = rateLimit ? this.#receiverOf(id) : this.#receivers.get(id)
    receiver?.begin(subscription, this.#clock.now())
  }

  /** When the rate limit will have everything again, in Unix milliseconds. */
  fullAt(subscription: Subscription): number {
    const now = this.#clock.now()
    return this.#receivers.get(subscription.id)?.fullAt(subscription, now) ?? now
  }

  /** Another process has used the rate limit until now, and it has everything again then; Infinity: nothing is left. */
  goOn(subscription: Subscription, fullAt: number): void {
    this.#receiverOf(subscription.id).continueFrom(subscription, fullAt, this.#clock.now())
  }

  /** Learns from an attempt. @returns what others have to know of: its lane, other processes, the owner */
  record(subscription: Subscription, outcome: Outcome): ThrottleChange {
    if (subscription.isAdaptive) this.#adapt(subscription, outcome)
    const known = this.#receivers.get(subscription.id)
    if (outcome.kind === 'accepted' && !known) return subscription.isFailing ? recovered : none
    const receiver = known ?? this.#receiverOf(subscription.id)
    const now = this.#clock.now()
    const change = receiver.record(outcome, now)
    if (receiver.isIdle(now) && !subscription.rateLimit) this.#receivers.delete(subscription.id)
    // Failures before a restart, or in another process, are known by the state of the subscription only.
    return outcome.kind === 'accepted' && subscription.isFailing ? recovered : change
  }

  /** Nothing is sent before `until` (Unix milliseconds), which does not shorten a longer pause. */
  pause(subscriptionId: number, until: number, reason: PauseReason): void {
    this.#receiverOf(subscriptionId).pause(until, reason)
  }

  /** Everything may be sent at once; all that was learnt of failures is forgotten. */
  resume(subscriptionId: number): void {
    this.#receivers.get(subscriptionId)?.resume()
    this.#limits.delete(subscriptionId)
    this.#found.delete(subscriptionId)
  }

  /** Takes over what processes before this one found out: subscription → how many in flight. */
  beginWith(found: ReadonlyMap<number, number>): void {
    this.#found = new Map(found)
    this.#foundAt = this.#clock.now()
  }

  /**
   * What is known of how many requests at a time receivers are best served with. Forgets what was not needed for some
   * minutes: by then the receiver may be another one.
   */
  found(): ReadonlyMap<number, FoundInFlight> {
    const now = this.#clock.now()
    for (const [id, { usedAt }] of this.#limits) if (now - usedAt > forgetMs) this.#limits.delete(id)
    if (now - this.#foundAt > forgetMs) this.#found.clear()
    return new Map([...this.#limits].map(([id, { limit, reason }]) => [id, { limit, reason }]))
  }

  /** How many receivers are sent nothing but a probe, since their circuit is open, and how many are paused besides. */
  inTrouble(): { readonly probing: number; readonly paused: number } {
    const now = this.#clock.now()
    let [probing, paused] = [0, 0]
    for (const receiver of this.#receivers.values()) {
      if (receiver.isProbing) probing++
      else if (receiver.pausedUntil > now) paused++
    }
    return { probing, paused }
  }

  /** The subscriptions that are paused now, and until when (Unix milliseconds). */
  paused(): ReadonlyMap<number, number> {
    const now = this.#clock.now()
    const paused = [...this.#receivers].filter(([, receiver]) => receiver.pausedUntil > now)
    return new Map(paused.map(([id, receiver]) => [id, receiver.pausedUntil]))
  }

  /**
   * Takes over until when lanes are closed, since notices of pauses may have been missed. A lane that opens sooner than
   * the pause ends that is known here was resumed; or that pause is still being written, and is heard of afterwards.
   *
   * @param before what was `paused` when the lanes were read: what has changed since stays as it is
   */
  follow(lanesOpenAt: ReadonlyMap<number, number>, before: ReadonlyMap<number, number>): void {
    for (const [id, until] of lanesOpenAt) {
      const receiver = this.#receivers.get(id)
      if (!receiver || receiver.pausedUntil !== before.get(id)) continue
      if (until < receiver.pausedUntil) receiver.resume()
      receiver.pause(until, 'retry_after') // of the two reasons the one that leaves a probe as it is
    }
  }

  #adapt(subscription: Subscription, outcome: Outcome): void {
    const { id } = subscription
    const known = this.#limits.get(id)
    if (known || isTooMuch(outcome))
      (known ?? this.#limitOf(id)).record(outcome, this.#most(subscription), this.#clock.now())
  }

  #startOf(subscriptionId: number): number {
    return this.#found.get(subscriptionId) ?? this.#share?.partOf(startInFlight) ?? startInFlight
  }

  #limitOf(subscriptionId: number): AdaptiveLimit {
    const known = this.#limits.get(subscriptionId)
    if (known) return known
    const limit = new AdaptiveLimit(this.#startOf(subscriptionId), this.#clock.now())
    forgetFirst(this.#limits)
    this.#limits.set(subscriptionId, limit)
    return limit
  }

  #receiverOf(subscriptionId: number): ReceiverThrottle {
    const known = this.#receivers.get(subscriptionId)
    if (known) return known
    const receiver = new ReceiverThrottle(this.#circuit)
    forgetFirst(this.#receivers)
    this.#receivers.set(subscriptionId, receiver)
    return receiver
  }
}

/** Makes room for one more. */
function forgetFirst(known: Map<number, unknown>): void {
  if (known.size < receiversMax) return
  const [first] = known.keys()
  if (first !== undefined) known.delete(first)
}
