import type { Outcome } from '../model/outcome.ts'
import type { PauseReason, ReceiverPauseReason } from '../model/pause.ts'
import type { Subscription } from '../subscriptions/subscription.ts'
import { TokenBucket } from './token-bucket.ts'

/** When the circuit breaker opens, and for how long. */
export interface CircuitRules {
  /** This many failures in a row open it; 0: never. */
  readonly failures: number
  /** How long it stays open at first, in milliseconds; doubled at each probe that fails, up to 10 times as long. */
  readonly cooldownMs: number
}

/** What an outcome did to the throttle, for others to know of. */
export type ThrottleChange =
  | { readonly kind: 'none' }
  /** Nothing is to be sent before `until` (Unix milliseconds). Deliveries that wait spend no attempt. */
  | { readonly kind: 'paused'; readonly until: number; readonly reason: ReceiverPauseReason }
  /** The receiver has failed often enough in a row for its owner to be told. */
  | { readonly kind: 'failing' }
  /** A success after the circuit was open or the receiver was failing, be it by what its state says only. */
  | { readonly kind: 'recovered' }

/**
 * How a receiver is treated. Times are Unix milliseconds. Each mode is left as follows; `resume` leads from all to `open`.
 *
 * | mode | leaves it by |
 * |---|---|
 * | open | a pause → paused; failures enough to open the circuit, here or in another process → probing |
 * | paused | its end: from then on it is as good as open. A pause that ends later → paused until then; the circuit, as above → probing |
 * | probing | a success → open, or paused if it came before the first probe. A probe that fails → probing, twice as long after. A pause that ends later → probing from then |
 */
type Mode =
  /** As many at a time as its rules allow. */
  | { readonly kind: 'open' }
  /** Nothing before `until`. */
  | { readonly kind: 'paused'; readonly until: number }
  /** The circuit is open. Nothing before `from`, then one at a time; when that fails, nothing for `cooldownMs`. */
  | { readonly kind: 'probing'; readonly from: number; readonly cooldownMs: number }

const open: Mode = { kind: 'open' }
const none: ThrottleChange = { kind: 'none' }

/** After this many failures in a row the receiver counts as failing; its first success is then told. */
const failingAfter = 10

/** A circuit stays open for this many first cooldowns at most. */
const cooldownsMost = 10

/**
 * How many milliseconds lie between the attempts to a receiver that fails again and again. One that refuses at once would
 * else be tried as fast as the machine can, by all that is owed to it, wherever the circuit breaker is off or not yet
 * open. The pace stays the same however long it goes on, unlike a cooldown: who switches the breaker off wants every
 * delivery to have its attempts, and a receiver that refuses only some events still gets all of them.
 */
const paceMs = 20

/** A receiver that has too much to do is left this share of a given `maxInFlight` at least; one request at a time it always gets. */
const shareMin = 0.001

/**
 * What a process knows of how one receiver is doing, and so how much may be sent to it. Its mode says whether anything
 * may be sent now, and whether more than a probe. Besides, it gets a smaller share of its requests in flight while it has
 * too much to do, a slow pace while all fail, and no more than its rate limit.
 */
export class ReceiverThrottle {
  readonly #circuit: CircuitRules
  #mode: Mode = open
  /** Failures in a row for which the receiver is to blame. */
  #streak = 0
  /** The same with those for which it is not. */
  #failures = 0
  #lastBeganAt = Number.NEGATIVE_INFINITY
  /** The share of `maxInFlight` that it gets: halved when it has too much to do, regained by successes. */
  #share = 1
  #bucket: TokenBucket | undefined

  constructor(circuit: CircuitRules) {
    this.#circuit = circuit
  }

  /** True when there is nothing to remember but a rate limit, so that it may be forgotten where there is none. */
  isIdle(now: number): boolean {
    const isTrouble = this.isProbing || this.pausedUntil > now
    return !isTrouble && this.#failures === 0 && this.#share === 1
  }

  /** The end of the last pause, in Unix milliseconds; it may be over. 0: there was none. */
  get pausedUntil(): number {
    return pauseEnd(this.#mode)
  }

  /** The circuit is open, and only a probe may be sent. */
  get isProbing(): boolean {
    return this.#mode.kind === 'probing'
  }

  /** How many requests may be in flight now, where a number is given. */
  cap(maxInFlight: number): number {
    if (this.isProbing) return 1
    return Math.max(1, Math.floor(maxInFlight * this.#share))
  }

  /** The moment from which something may be sent (Unix milliseconds); not after `now`: at once. */
  opensAt({ rateLimit }: Subscription, now: number): number {
    const pacedUntil = this.#failures >= failingAfter ? this.#lastBeganAt + paceMs : 0
    const tokenAt = rateLimit ? this.#tokens().nextAt(rateLimit, now) : 0
    return Math.max(this.pausedUntil, pacedUntil, tokenAt)
  }

  /** An attempt begins: it takes its part of the rate limit, and of the pace. */
  begin({ rateLimit }: Subscription, now: number): void {
    this.#lastBeganAt = now
    if (rateLimit) this.#tokens().take(rateLimit, now)
  }

  /** When the rate limit will have everything again, in Unix milliseconds. */
  fullAt({ rateLimit }: Subscription, now: number): number {
    return rateLimit ? this.#tokens().fullAt(rateLimit, now) : now
  }

  /** Another process has used the rate limit, and it has everything again then; Infinity: nothing is left. */
  continueFrom({ rateLimit }: Subscription, fullAt: number, now: number): void {
    if (rateLimit) this.#tokens().continueFrom(fullAt, rateLimit, now)
  }

  /** Keeps everything back until then, as another process, or an attempt that was not made, has found out. */
  pause(until: number, reason: PauseReason): void {
    switch (reason) {
      case 'circuit_open':
        this.#mode = {
          kind: 'probing',
          from: Math.max(this.pausedUntil, until),
          cooldownMs: this.#mode.kind === 'probing' ? this.#mode.cooldownMs : this.#circuit.cooldownMs,
        }
        return
      case 'retry_after':
      case 'order':
      case 'ours':
        this.#holdUntil(until)
    }
  }

  /** Forgets every pause and every failure: an operator has resumed the subscription. */
  resume(): void {
    this.#mode = open
    this.#streak = 0
    this.#failures = 0
    this.#share = 1
  }

  /** Learns from an outcome. */
  record(outcome: Outcome, now: number): ThrottleChange {
    switch (outcome.kind) {
      case 'accepted':
        return this.#succeeded(now)
      case 'overloaded':
        this.#halve()
        return this.#failed(now, outcome.notBefore)
      case 'gone':
      case 'refused':
        return this.#failed(now)
      case 'unreachable':
        return this.#unreached(outcome, now)
    }
  }

  #unreached({ fault, errorClass }: Extract<Outcome, { kind: 'unreachable' }>, now: number): ThrottleChange {
    switch (fault) {
      case 'proxy':
      case 'credentials':
      case 'ours':
        this.#failures++ // it says nothing of the receiver, but is not tried faster for that
        return none
      case 'receiver':
      case 'name':
      case 'rules':
        // A receiver that does not answer in time holds its requests in flight for as long as that takes: it gets fewer.
        if (errorClass === 'timeout') this.#halve()
        return this.#failed(now)
    }
  }

  #succeeded(now: number): ThrottleChange {
    const wasFailing = this.#mode.kind === 'probing' || this.#streak >= failingAfter
    this.#streak = 0
    this.#failures = 0
    if (this.#share < 1) this.#share = Math.min(1, this.#share + 0.05)
    // An attempt that was in flight when a pause began does not end it.
    this.#mode = this.pausedUntil > now ? { kind: 'paused', until: this.pausedUntil } : open
    return wasFailing ? { kind: 'recovered' } : none
  }

  /** @param notBefore until when the receiver asks for a pause */
  #failed(now: number, notBefore?: number): ThrottleChange {
    this.#streak++
    this.#failures++
    if (notBefore !== undefined) {
      this.#holdUntil(notBefore)
      return { kind: 'paused', until: notBefore, reason: 'retry_after' }
    }
    if (this.#circuit.failures === 0) return this.#toldWhenFailing()
    if (now < this.pausedUntil) return none // it was in flight when the pause began, and is no probe
    switch (this.#mode.kind) {
      case 'open':
      case 'paused':
        if (this.#streak < this.#circuit.failures) return this.#toldWhenFailing()
        return this.#openCircuit(now, this.#circuit.cooldownMs)
      case 'probing':
        return this.#openCircuit(now, this.#mode.cooldownMs)
    }
  }

  #toldWhenFailing(): ThrottleChange {
    return this.#streak === failingAfter ? { kind: 'failing' } : none
  }

  #openCircuit(now: number, cooldownMs: number): ThrottleChange {
    const from = now + cooldownMs
    this.#mode = {
      kind: 'probing',
      from,
      cooldownMs: Math.min(cooldownMs * 2, this.#circuit.cooldownMs * cooldownsMost),
    }
    return { kind: 'paused', until: from, reason: 'circuit_open' }
  }

  /** Nothing before then. It shortens no pause, and a probe that is still to come stays to come. */
  #holdUntil(until: number): void {
    switch (this.#mode.kind) {
      case 'open':
        this.#mode = { kind: 'paused', until }
        return
      case 'paused':
        this.#mode = { kind: 'paused', until: Math.max(this.#mode.until, until) }
        return
      case 'probing':
        this.#mode = { ...this.#mode, from: Math.max(this.#mode.from, until) }
    }
  }

  #halve(): void {
    this.#share = Math.max(this.#share / 2, shareMin)
  }

  #tokens(): TokenBucket {
    this.#bucket ??= new TokenBucket()
    return this.#bucket
  }
}

function pauseEnd(mode: Mode): number {
  switch (mode.kind) {
    case 'open':
      return 0
    case 'paused':
      return mode.until
    case 'probing':
      return mode.from
  }
}
