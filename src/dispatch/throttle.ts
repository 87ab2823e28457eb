import type { Outcome } from '../model/outcome.ts'
import type { LanePause } from '../model/pause.ts'
import type { Clock } from '../platform/clock.ts'
import type { Subscription } from '../subscriptions/subscription.ts'
import type { Slots } from './concurrency-share.ts'
import { type CircuitRules, Gate, type GateChange } from './receiver-throttle.ts'

const none: GateChange = { kind: 'none' }
const recovered: GateChange = { kind: 'recovered' }

/** So many gates are remembered; beyond it those of healthy receivers are forgotten first. */
const gatesMax = 50_000

/**
 * The gates of all subscriptions this process has to do with. A receiver without any trouble and without a rate limit
 * has none: it costs a look into a map.
 */
export class Gates {
  readonly #clock: Clock
  readonly #circuit: CircuitRules
  readonly #gates = new Map<number, Gate>()
  #slots: Slots | undefined

  constructor(clock: Clock, circuit: CircuitRules) {
    this.#clock = clock
    this.#circuit = circuit
  }

  /** From now on `max_in_flight` is shared with other processes. Without, all of it is this one's. */
  shareSlots(slots: Slots): void {
    this.#slots = slots
  }

  /** How many requests to it may be in flight now. */
  cap(subscription: Subscription): number {
    const most = this.#most(subscription)
    return this.#gates.get(subscription.id)?.cap(most) ?? most
  }

  /** A delivery waits because `cap` is reached: with others who have room to spare, it may be more soon. */
  isShort(subscription: Subscription): void {
    if (!this.#slots) return
    const most = this.#most(subscription)
    // A receiver in trouble gets fewer than it may have; more would not help it.
    if ((this.#gates.get(subscription.id)?.cap(most) ?? most) === most) this.#slots.want(subscription)
  }

  #most(subscription: Subscription): number {
    if (subscription.ordered) return 1
    return this.#slots ? this.#slots.cap(subscription) : subscription.maxInFlight
  }

  /** Unix milliseconds from which something may be sent to it; 0: at once. */
  opensAt(subscription: Subscription): number {
    const gate = this.#gates.get(subscription.id)
    if (!gate) return 0
    const now = this.#clock.now()
    const at = gate.opensAt(subscription, now)
    return at <= now ? 0 : at
  }

  begin(subscription: Subscription): void {
    const { id, rateLimit } = subscription
    const gate = rateLimit ? this.#gateOf(id) : this.#gates.get(id)
    gate?.begin(subscription, this.#clock.now())
  }

  /** When the rate limit will have everything again, in Unix milliseconds. */
  fullAt(subscription: Subscription): number {
    const now = this.#clock.now()
    return this.#gates.get(subscription.id)?.fullAt(subscription, now) ?? now
  }

  /** Another process has used the rate limit until now, and it has everything again then; Infinity: nothing is left. */
  goOn(subscription: Subscription, fullAt: number): void {
    this.#gateOf(subscription.id).goOn(subscription, fullAt, this.#clock.now())
  }

  record(subscription: Subscription, outcome: Outcome): GateChange {
    const known = this.#gates.get(subscription.id)
    if (outcome.kind === 'success' && !known) return subscription.isFailing ? recovered : none
    const gate = known ?? this.#gateOf(subscription.id)
    const now = this.#clock.now()
    const change = gate.record(outcome, now)
    if (gate.isIdle(now) && !subscription.rateLimit) this.#gates.delete(subscription.id)
    // The failures of before a restart, or of another process, are in the state only.
    return outcome.kind === 'success' && subscription.isFailing ? recovered : change
  }

  pause(subscriptionId: number, until: number, reason: LanePause['reason']): void {
    this.#gateOf(subscriptionId).pause(until, reason)
  }

  resume(subscriptionId: number): void {
    this.#gates.get(subscriptionId)?.resume()
  }

  /** The subscriptions that are paused now, and until when (Unix milliseconds). */
  paused(): ReadonlyMap<number, number> {
    const now = this.#clock.now()
    const paused = [...this.#gates].filter(([, gate]) => gate.pausedUntil > now)
    return new Map(paused.map(([id, gate]) => [id, gate.pausedUntil]))
  }

  /**
   * Takes over until when lanes are closed, for what has gone unheard. A lane that is open sooner than its gate was
   * resumed; or the pause is only on its way there, and is heard of once it is written.
   *
   * @param before what was `paused` when the lanes were read: what has changed since stays as it is
   */
  follow(lanesOpenAt: ReadonlyMap<number, number>, before: ReadonlyMap<number, number>): void {
    for (const [id, until] of lanesOpenAt) {
      const gate = this.#gates.get(id)
      if (!gate || gate.pausedUntil !== before.get(id)) continue
      if (until < gate.pausedUntil) gate.resume()
      gate.pause(until, 'retry_after') // of the two reasons the one that leaves a probe as it is
    }
  }

  failuresInARow(subscriptionId: number): number {
    return this.#gates.get(subscriptionId)?.failuresInARow ?? 0
  }

  #gateOf(subscriptionId: number): Gate {
    const known = this.#gates.get(subscriptionId)
    if (known) return known
    const gate = new Gate(this.#circuit)
    if (this.#gates.size >= gatesMax) {
      const [oldest] = this.#gates.keys()
      if (oldest !== undefined) this.#gates.delete(oldest)
    }
    this.#gates.set(subscriptionId, gate)
    return gate
  }
}
