import type { Outcome } from '../model/outcome.ts'
import type { PauseReason, ReceiverPauseReason } from '../model/pause.ts'
import type { Subscription } from '../subscriptions/subscription.ts'

/** When the circuit breaker opens, and for how long. */
export interface CircuitRules {
  /** So many failures in a row open it; 0: never. */
  readonly failures: number
  /** How long it stays open at first, in milliseconds; doubled at each probe that fails, up to 20 times as long. */
  readonly cooldownMs: number
}

/** What an outcome did to the gate, for others to know of. */
export type ThrottleChange =
  | { readonly kind: 'none' }
  /** Nothing is to be sent before `until` (Unix milliseconds). Deliveries that wait spend no attempt. */
  | { readonly kind: 'paused'; readonly until: number; readonly reason: ReceiverPauseReason }
  /** The receiver has failed so often in a row that it is told. */
  | { readonly kind: 'failing' }
  /** A success after the circuit was open or the receiver was failing, be it by what its state says only. */
  | { readonly kind: 'recovered' }

const none: ThrottleChange = { kind: 'none' }

/** So many failures in a row, and the receiver counts as failing; its first success is then told. */
const failingAfter = 10

/**
 * So many milliseconds lie between the attempts to a receiver that fails again and again. One that refuses at once would
 * else be tried as fast as the machine can, by all that is owed to it, wherever the circuit breaker is off or not yet
 * open. The pace stays the same however long it goes on, unlike a cooldown: who switches the breaker off wants every
 * delivery to have its attempts, and a receiver that refuses only some events still gets all of them.
 */
const paceMs = 20

/**
 * What a process knows of how one receiver is doing, and so how much may be sent to it: nothing during a pause, a
 * single probe after one, fewer at a time while it says that it is overloaded, one after the other at a slow pace while
 * all fail, as many as its rules allow else.
 */
export class ReceiverThrottle {
  readonly #circuit: CircuitRules
  #pausedUntil = 0
  #probing = false
  #streak = 0
  /** The same with those that are not the receiver's fault. */
  #failures = 0
  #pacedUntil = 0
  #cooldownMs: number
  /** The allowed share of `maxInFlight`: halved when overloaded, regained by successes. */
  #share = 1
  #tokens = Number.POSITIVE_INFINITY
  #tokensAt = 0

  constructor(circuit: CircuitRules) {
    this.#circuit = circuit
    this.#cooldownMs = circuit.cooldownMs
  }

  /** True when there is nothing to remember, and the gate may be forgotten. */
  isIdle(now: number): boolean {
    return this.#failures === 0 && this.#share === 1 && !this.#probing && this.#pausedUntil <= now
  }

  /** The end of the last pause, in Unix milliseconds; it may be over. */
  get pausedUntil(): number {
    return this.#pausedUntil
  }

  get failuresInARow(): number {
    return this.#streak
  }

  /** How many requests may be in flight now. */
  cap(maxInFlight: number): number {
    if (this.#probing) return 1
    return Math.max(1, Math.floor(maxInFlight * this.#share))
  }

  /** The moment from which something may be sent (Unix milliseconds); not after `now`: at once. */
  opensAt(subscription: Subscription, now: number): number {
    const pacedUntil = this.#failures >= failingAfter ? this.#pacedUntil : 0
    return Math.max(this.#pausedUntil, pacedUntil, this.#nextTokenAt(subscription, now))
  }

  /** An attempt begins: it takes its part of the rate limit, and of the pace. */
  begin(subscription: Subscription, now: number): void {
    this.#pacedUntil = now + paceMs
    if (!subscription.rateLimit) return
    this.#nextTokenAt(subscription, now)
    this.#tokens -= 1
  }

  /** When the rate limit will have everything again, in Unix milliseconds. */
  fullAt(subscription: Subscription, now: number): number {
    const { rateLimit } = subscription
    if (!rateLimit) return now
    this.#nextTokenAt(subscription, now)
    return now + ((rateLimit.requests - this.#tokens) * rateLimit.perSeconds * 1000) / rateLimit.requests
  }

  /** Another process has used the rate limit, and it has everything again then; Infinity: nothing is left. */
  goOn(subscription: Subscription, fullAt: number, now: number): void {
    const { rateLimit } = subscription
    if (!rateLimit) return
    this.#nextTokenAt(subscription, now)
    const perMs = rateLimit.requests / (rateLimit.perSeconds * 1000)
    const left = rateLimit.requests - Math.max(0, fullAt - now) * perMs
    this.#tokens = Math.max(0, Math.min(this.#tokens, left))
  }

  /** Keeps everything back until then, as another process has found out. */
  pause(until: number, reason: PauseReason): void {
    this.#pausedUntil = Math.max(this.#pausedUntil, until)
    if (reason === 'circuit_open') this.#probing = true
  }

  /** Forgets every pause: an operator has resumed the subscription. */
  resume(): void {
    this.#pausedUntil = 0
    this.#probing = false
    this.#streak = 0
    this.#failures = 0
    this.#share = 1
    this.#cooldownMs = this.#circuit.cooldownMs
  }

  /** Learns from an outcome. */
  record(outcome: Outcome, now: number): ThrottleChange {
    switch (outcome.kind) {
      case 'accepted':
        return this.#succeeded()
      case 'overloaded':
        this.#countFailure()
        this.#halve()
        if (outcome.notBefore === undefined) return this.#tripIfDue(now)
        this.#pausedUntil = Math.max(this.#pausedUntil, outcome.notBefore)
        return { kind: 'paused', until: outcome.notBefore, reason: 'retry_after' }
      case 'gone':
      case 'refused':
        this.#countFailure()
        return this.#tripIfDue(now)
      case 'unreachable':
        return this.#unreached(outcome, now)
    }
  }

  #unreached({ fault, errorClass }: Extract<Outcome, { kind: 'unreachable' }>, now: number): ThrottleChange {
    switch (fault) {
      case 'proxy':
      case 'ours':
        this.#failures++ // it says nothing of the receiver
        return none
      case 'receiver':
      case 'name':
      case 'rules':
        this.#countFailure()
        // A receiver that does not answer in time holds its slots for as long as that takes: it gets fewer.
        if (errorClass === 'timeout') this.#halve()
        return this.#tripIfDue(now)
    }
  }

  #countFailure(): void {
    this.#failures++
    this.#streak++
  }

  #halve(): void {
    this.#share = Math.max(this.#share / 2, 0.001)
  }

  #succeeded(): ThrottleChange {
    const wasFailing = this.#probing || this.#streak >= failingAfter
    this.#streak = 0
    this.#failures = 0
    this.#probing = false
    this.#cooldownMs = this.#circuit.cooldownMs
    if (this.#share < 1) this.#share = Math.min(1, this.#share + 0.05)
    return wasFailing ? { kind: 'recovered' } : none
  }

  #tripIfDue(now: number): ThrottleChange {
    const { failures, cooldownMs } = this.#circuit
    if (failures === 0) return this.#streak === failingAfter ? { kind: 'failing' } : none
    if (now < this.#pausedUntil) return none
    if (!this.#probing && this.#streak < failures)
      return this.#streak === failingAfter ? { kind: 'failing' } : none
    const until = now + this.#cooldownMs
    this.#pausedUntil = until
    this.#probing = true
    this.#cooldownMs = Math.min(this.#cooldownMs * 2, cooldownMs * 20)
    return { kind: 'paused', until, reason: 'circuit_open' }
  }

  /** A token bucket: `requests` per `per_seconds`, full at first, refilled evenly. */
  #nextTokenAt(subscription: Subscription, now: number): number {
    const { rateLimit } = subscription
    if (!rateLimit) return 0
    const perMs = rateLimit.requests / (rateLimit.perSeconds * 1000)
    this.#tokens = Math.min(rateLimit.requests, this.#tokens + (now - this.#tokensAt) * perMs)
    this.#tokensAt = now
    return this.#tokens >= 1 ? now : Math.ceil(now + (1 - this.#tokens) / perMs)
  }
}
