import type { InFlightReason } from '../model/in-flight.ts'
import type { Outcome } from '../model/outcome.ts'

/** The limit of a receiver of which nothing is known yet, in all processes together. */
export const startInFlight = 10

/** How much more, or fewer, are tried at a time: at first, and when a larger step was not worth it. */
const stepMax = 2
const stepMin = 1.19

/** A rate is measured for this long at least, */
const windowMs = 250
/** and over this many answers for each request in flight, but at least over this many, */
const answersPerSlot = 2
const answersMin = 20
/** until its standard error is this part of the change that makes a step worth it, or the window has lasted this long. */
const errorPart = 0.25
const windowMsMax = 15_000

/** Times are whole milliseconds: one that is answered sooner counts as this. */
const durationMsMin = 0.1

/** Of the answers of a window, those that came while deliveries waited for a slot: with fewer the limit was no limit. */
const usedPart = 0.8

/** How long a limit that was found is kept before more, or fewer, are tried. It doubles each time that this led nowhere. */
const holdMs = 5000
const holdMsMax = 30_000

/** At the same limit the rate has changed by more than this: another one may be the best now. */
const changedPart = 0.2

/** A limit at which the receiver had too much is not tried again for a while: growth ends at this part of it. */
const belowTrouble = 0.85
const troubleMs = 60_000

/** When this many answers for each request in flight were fine, one that is not is chance: the limit is not the reason. */
const provenAfter = 4

/** Trouble this many times in a row, each time well below a limit that was fine: it is so no more. */
const missedMax = 3

/** A limit at which a rate was measured, in answers per millisecond. */
interface Measured {
  readonly limit: number
  readonly rate: number
}

/** One of the two ways in which the limit can go. */
interface Direction {
  /** How far the next trial goes. */
  step: number
  /** When the next trial may begin (Unix milliseconds). */
  at: number
  holdMs: number
  worthInARow: number
}

/**
 * Finds how many requests at a time a receiver is best served with, from its answers alone.
 *
 * More in flight are worth it as long as they bring more answers per second. So the limit climbs to where
 * rate ÷ √limit is greatest: below what a receiver can work on at a time, the rate grows as the limit does; above, it
 * stays the same while requests wait in the receiver. By the rate, and not by how long answers take: a receiver that
 * takes 2 s on purpose is as healthy as one that answers in 1 ms, and one whose answers take now 1 ms and now 500 ms has
 * no single time to compare with (what went wrong with minima of times: Netflix concurrency-limits, Envoy).
 *
 * One step at a time is tried and compared with what was measured before it; a step that is not worth it is measured
 * again before it is taken back, as a pause of the receiver looks the same. When neither more nor fewer are worth it the
 * limit is kept for 5 s, then twice as long, up to half a minute. It grows only while deliveries wait for a slot, and at most
 * doubles in a second.
 *
 * An answer that says so (429, 503), a timeout, and a connection that is refused or lost mean "too much": half of it,
 * at once, but once only for all that was in flight. From there it grows by one at a time (as TCP does) up to a little
 * below where the trouble was.
 */
export class AdaptiveLimit {
  #limit: number
  #reason: InFlightReason = 'start'
  #more: Direction
  #fewer: Direction
  /** The step that is being tried, and where the limit was before it. */
  #trial: { readonly direction: Direction; readonly from: Measured; isConfirming: boolean } | undefined
  /** What was measured last at the limit that was kept. */
  #kept: Measured | undefined
  /** It has doubled in the second before this, or grown accordingly less in less time. */
  #grownUntil = Number.NEGATIVE_INFINITY
  #trouble: { readonly ceiling: number; readonly until: number } | undefined
  #halvedAt = Number.NEGATIVE_INFINITY
  /** Answers since the limit is what it is, and the highest limit that they have shown to be fine. */
  #fine = 0
  #proven = 0
  /** After trouble: up to which limit it grows by one at a time, how much of the next one it has, */
  #regainTo = 0
  #regained = 0
  /** how often there was trouble on the way, and the highest limit there was since the last trouble that was no chance. */
  #missed = 0
  #peak = 0
  /** Answers that still come of the limit before. */
  #toSkip = 0
  #answers = 0
  #answersWhileShort = 0
  #durations = 0
  #squares = 0
  #since = Number.NaN
  #isShort = false
  #usedAt: number

  /** @param now Unix milliseconds */
  constructor(limit: number, now: number) {
    this.#limit = limit
    this.#usedAt = now
    this.#more = { step: stepMax, at: now, holdMs, worthInARow: 0 }
    this.#fewer = { step: stepMax, at: Number.POSITIVE_INFINITY, holdMs, worthInARow: 0 }
  }

  /** Requests that may be in flight; a whole number, 1 or more. */
  get limit(): number {
    return this.#limit
  }

  get reason(): InFlightReason {
    return this.#reason
  }

  /** When a delivery last waited for a slot (Unix milliseconds). */
  get usedAt(): number {
    return this.#usedAt
  }

  /** A delivery waits because the limit is reached. */
  isShort(): void {
    this.#isShort = true
  }

  /**
   * Learns from an attempt that has ended.
   *
   * @param ceiling the most that its limit may become
   */
  record(outcome: Outcome, ceiling: number, now: number): void {
    if (this.#limit > ceiling) this.#set(ceiling, now)
    if (isTooMuch(outcome)) this.#halve(now - outcome.durationMs, now)
    else if (outcome.kind !== 'unreachable') this.#count(outcome.durationMs, ceiling, now)
  }

  #halve(beganAt: number, now: number): void {
    if (beganAt < this.#halvedAt) return // it says of the limit before what is known already
    const at = this.#limit
    if (this.#isProven) this.#proven = Math.max(this.#proven, at)
    else if (at < this.#proven * 0.9 && ++this.#missed > missedMax) this.#proven = 0
    this.#peak = Math.max(this.#peak, at)
    if (this.#isProven || at < this.#proven * 0.9) this.#regainTo = this.#proven
    else {
      this.#regainTo = Math.max(1, Math.floor(this.#peak * belowTrouble))
      this.#trouble = { ceiling: this.#regainTo, until: now + troubleMs }
      this.#more.at = now + holdMs
      this.#peak = 0
      this.#missed = 0
    }
    this.#halvedAt = now
    this.#trial = undefined
    this.#kept = undefined
    this.#more = { step: stepMin, at: this.#more.at, holdMs, worthInARow: 0 }
    this.#fewer = { step: stepMin, at: now + holdMs, holdMs, worthInARow: 0 }
    this.#reason = 'too_much'
    this.#set(Math.max(1, Math.floor(this.#limit / 2)), now)
  }

  #count(durationMs: number, ceiling: number, now: number): void {
    if (this.#isShort) {
      this.#usedAt = now
      this.#answersWhileShort++
    }
    this.#isShort = false
    if (this.#toSkip > 0) {
      this.#toSkip--
      this.#answersWhileShort = 0
      this.#since = now
      return
    }
    this.#fine++
    if (this.#limit < Math.min(this.#regainTo, ceiling)) {
      this.#regained += 1 / this.#limit
      if (this.#regained >= 1) this.#set(this.#limit + 1, now)
      return
    }
    if (this.#regainTo > 0) {
      this.#regainTo = 0
      this.#missed = 0
    }
    if (Number.isNaN(this.#since)) this.#since = now
    this.#answers++
    this.#durations += durationMs
    this.#squares += durationMs * durationMs
    const passedMs = now - this.#since
    if (passedMs < windowMs || !this.#isEnough(passedMs, now)) return
    const isUsed = this.#answersWhileShort >= this.#answers * usedPart
    // Little's law: what is in flight is what comes in, times how long it stays. Exact also where answers come in bursts.
    const rate = this.#limit / Math.max(this.#durations / this.#answers, durationMsMin)
    this.#beginWindow(now)
    if (isUsed) this.#decide({ limit: this.#limit, rate }, ceiling, now)
  }

  /** Whether the rate of this window is known exactly enough. */
  #isEnough(passedMs: number, now: number): boolean {
    const n = this.#answers
    if (passedMs >= windowMsMax) return true
    if (n < answersMin || n < this.#limit * answersPerSlot) return false
    const mean = this.#durations / n
    const variance = Math.max(0, this.#squares / n - mean * mean)
    const next = this.#more.at <= now ? this.#more : this.#fewer
    const { step } = this.#trial?.direction ?? next
    return variance / n <= (errorPart * (Math.sqrt(step) - 1) * mean) ** 2
  }

  #decide(here: Measured, ceiling: number, now: number): void {
    const trial = this.#trial
    if (trial) {
      const isWorth = here.rate * Math.sqrt(trial.from.limit) >= trial.from.rate * Math.sqrt(here.limit)
      if (!isWorth && !trial.isConfirming) {
        trial.isConfirming = true
        return
      }
      this.#trial = undefined
      if (!isWorth) {
        this.#takeBack(trial.direction, trial.from, now)
        return
      }
      this.#wasWorth(trial.direction, now)
    } else this.#compare(here, now)
    this.#kept = here
    this.#tryNext(here, ceiling, now)
  }

  #wasWorth(direction: Direction, now: number): void {
    const other = direction === this.#more ? this.#fewer : this.#more
    this.#reason = direction === this.#more ? 'growing' : 'settled'
    if (direction === this.#fewer) this.#proven = Math.min(this.#proven, this.#limit) // more was fine once, and is not now
    direction.at = now
    direction.holdMs = holdMs
    if (++direction.worthInARow > 1) direction.step = Math.min(direction.step ** 2, Math.SQRT2)
    // Where it comes from was worse.
    Object.assign(other, { step: stepMin, at: now + holdMs, holdMs, worthInARow: 0 })
  }

  #takeBack(direction: Direction, to: Measured, now: number): void {
    this.#reason = 'settled'
    this.#kept = to
    direction.worthInARow = 0
    if (direction.step > stepMin) direction.step = Math.max(Math.sqrt(direction.step), stepMin)
    else {
      direction.at = now + direction.holdMs
      direction.holdMs = Math.min(direction.holdMs * 2, holdMsMax)
    }
    if (this.#fewer.at === Number.POSITIVE_INFINITY) this.#fewer.at = now
    this.#set(to.limit, now)
  }

  /** Another rate at the same limit: another limit may be the best by now. */
  #compare(here: Measured, now: number): void {
    const kept = this.#kept
    if (kept?.limit !== here.limit) return
    if (here.rate < kept.rate * (1 - changedPart)) this.#fewer.at = Math.min(this.#fewer.at, now)
    if (here.rate > kept.rate * (1 + changedPart)) this.#more.at = Math.min(this.#more.at, now)
  }

  /** Tries more, or fewer, when it is time for that. */
  #tryNext(from: Measured, ceiling: number, now: number): void {
    const { limit } = from
    const most = Math.min(ceiling, this.#ceilingAt(now))
    const more = Math.min(most, Math.max(Math.floor(limit * this.#more.step), limit + 1))
    const fewer = Math.min(limit - 1, Math.ceil(limit / this.#fewer.step))
    const isMoreFirst = this.#more.at <= this.#fewer.at
    const mayMore = now >= this.#more.at && more > limit
    const mayFewer = now >= this.#fewer.at && fewer >= 1
    if (mayMore && (isMoreFirst || !mayFewer)) {
      if (now < this.#grownUntil) return
      this.#grownUntil = now + Math.log2(more / limit) * 1000
      this.#trial = { direction: this.#more, from, isConfirming: false }
      this.#set(more, now)
    } else if (mayFewer) {
      this.#trial = { direction: this.#fewer, from, isConfirming: false }
      this.#set(fewer, now)
    }
  }

  #ceilingAt(now: number): number {
    return this.#trouble && now < this.#trouble.until ? this.#trouble.ceiling : Number.POSITIVE_INFINITY
  }

  /** Whether enough answers at this limit were fine, so that one that is not is chance. */
  get #isProven(): boolean {
    return this.#fine > this.#limit * provenAfter
  }

  #set(limit: number, now: number): void {
    this.#regained = 0
    if (this.#isProven) this.#proven = Math.max(this.#proven, this.#limit)
    this.#fine = 0
    this.#toSkip = limit > this.#limit ? this.#limit : limit
    this.#limit = limit
    this.#beginWindow(now)
  }

  #beginWindow(now: number): void {
    this.#answers = 0
    this.#answersWhileShort = 0
    this.#durations = 0
    this.#squares = 0
    this.#since = now
  }
}

/** Whether it says that the receiver had too much to do. */
export function isTooMuch(outcome: Outcome): boolean {
  if (outcome.kind === 'overloaded') return true
  const isLost = outcome.kind === 'unreachable' && outcome.fault === 'receiver'
  return isLost && (outcome.errorClass === 'timeout' || outcome.errorClass === 'connect')
}
