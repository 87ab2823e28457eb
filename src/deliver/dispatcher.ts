import type { Clock } from '../platform/clock.ts'
import { Fifo } from '../platform/fifo.ts'
import type { Delivery } from '../queue/delivery.ts'
import type { Subscription } from '../subscriptions/subscription.ts'
import type { Gates } from './gates.ts'
import { ReadyRing } from './ready-ring.ts'

export interface DispatcherLimits {
  /** Attempts in flight, in all. */
  readonly maxInFlight: number
  /** Deliveries held in memory (waiting, in flight or being settled): per subscription, and in all. */
  readonly heldPerSubscription: number
  readonly heldInAll: number
  /** Payload bytes of the deliveries held. */
  readonly heldBytes: number
  /**
   * A line that has just come to memory may have so many attempts in flight, and one more for each answer: a receiver
   * that hangs is found out at the cost of a few slots. Unlimited when not given.
   */
  readonly firstInFlight?: number
}

export interface DispatcherDeps {
  readonly limits: DispatcherLimits
  readonly subscription: (id: number) => Subscription | undefined
  readonly clock: Clock
  readonly gates: Gates
  /** Takes deliveries that may not be sent before `until` (Unix milliseconds) back to their lane. */
  readonly defer: (subscriptionId: number, deliveries: readonly Delivery[], until: number) => void
  /**
   * Makes one attempt and sees to what follows from it. Resolves when the receiver is done with, with whether it
   * answered; the delivery itself stays held until `release` is called for it.
   */
  readonly attempt: (delivery: Delivery, subscription: Subscription | undefined) => Promise<boolean>
}

/** All of one subscription that is in memory. */
interface Line {
  readonly subscriptionId: number
  readonly tenant: string
  readonly waiting: Fifo<Delivery>
  inFlight: number
  /** How many may be in flight, see `firstInFlight`. */
  allowed: number
  /** Waiting, in flight, being settled, and reserved for events that are being written. */
  held: number
  /** In the ring, or parked: until its gate opens, or until it is less crowded. */
  queued: boolean
}

/** A line may always hold so many, however full the memory is. */
const heldLeast = 20

/** From this share of the attempts in flight on, a line gets one more only if it has none: slow receivers fill the rest. */
const crowdedShare = 0.75

/** A line whose gate opens within this waits in memory for it; a longer wait is the lane's. */
const parkMs = 2000

/** What is held now; for metrics and for deciding whether to shut down. */
export interface DispatcherLoad {
  readonly held: number
  readonly heldBytes: number
  readonly inFlight: number
}

/**
 * Holds the deliveries that are in memory and starts their attempts: fairly (round robin over tenants, then
 * subscriptions), at most so many per subscription and in all. What does not fit is not taken: `reserve` says no,
 * and the delivery waits in its lane instead. So memory is bounded, and one slow receiver holds a few slots at most.
 */
export class Dispatcher {
  readonly #deps: DispatcherDeps
  readonly #lines = new Map<number, Line>()
  readonly #ready = new ReadyRing<Line>()
  readonly #crowdedOut = new Fifo<Line>()
  #held = 0
  #heldBytes = 0
  #inFlight = 0
  #stopped = false

  constructor(deps: DispatcherDeps) {
    this.#deps = deps
  }

  get load(): DispatcherLoad {
    return { held: this.#held, heldBytes: this.#heldBytes, inFlight: this.#inFlight }
  }

  /**
   * Asks for room for one delivery. True: the room is taken, until `release`. A delivery larger than the whole
   * budget is let in when nothing else is held, so that it is late rather than never.
   *
   * @param fresh straight from ingest: such may take half of a line's room, or its lane would never get any
   */
  reserve(subscriptionId: number, tenant: string, sizeBytes: number, fresh = false): boolean {
    const { heldInAll, heldBytes } = this.#deps.limits
    if (this.#stopped || this.#held >= heldInAll) return false
    if (this.#heldBytes + sizeBytes > heldBytes && this.#held > 0) return false
    const line = this.#lines.get(subscriptionId)
    if (line && line.held >= (fresh ? this.#roomOfLine() / 2 : this.#roomOfLine())) return false
    this.#take(line ?? this.#newLine(subscriptionId, tenant), sizeBytes)
    return true
  }

  /**
   * How much one line may hold: a quarter of what is free, so that a few slow receivers never take all of the memory
   * and those that come later still find some.
   */
  #roomOfLine(): number {
    const { heldInAll, heldPerSubscription } = this.#deps.limits
    return Math.min(heldPerSubscription, Math.max(heldLeast, (heldInAll - this.#held) / 4))
  }

  #take(line: Line, sizeBytes: number): void {
    line.held++
    this.#held++
    this.#heldBytes += sizeBytes
  }

  /** Gives back the room of a delivery that has left memory, or was never pushed. */
  release(subscriptionId: number, sizeBytes: number): void {
    this.#held--
    this.#heldBytes -= sizeBytes
    const line = this.#lines.get(subscriptionId)
    if (line && --line.held === 0) this.#lines.delete(subscriptionId)
  }

  /** Takes a delivery for which room was reserved. Its attempt starts when its turn comes. */
  push(delivery: Delivery): void {
    const line = this.#lines.get(delivery.subscriptionId)
    if (!line)
      throw new Error(`no room was reserved for a delivery to subscription ${delivery.subscriptionId}`)
    line.waiting.push(delivery)
    this.#enqueue(line)
    this.#pump()
  }

  /** Takes out all that wait for a subscription and have not begun. */
  takeWaiting(subscriptionId: number): readonly Delivery[] {
    return this.#lines.get(subscriptionId)?.waiting.drain() ?? []
  }

  /** Starts nothing from now on, and takes out all that wait. */
  stop(): readonly Delivery[] {
    this.#stopped = true
    return [...this.#lines.values()].flatMap(line => line.waiting.drain())
  }

  #newLine(subscriptionId: number, tenant: string): Line {
    const line = {
      subscriptionId,
      tenant,
      waiting: new Fifo<Delivery>(),
      inFlight: 0,
      allowed: this.#deps.limits.firstInFlight ?? Number.POSITIVE_INFINITY,
      held: 0,
      queued: false,
    }
    this.#lines.set(subscriptionId, line)
    return line
  }

  #enqueue(line: Line): void {
    if (line.queued || line.waiting.length === 0) return
    if (line.inFlight >= line.allowed) return
    const subscription = this.#deps.subscription(line.subscriptionId)
    if (line.inFlight >= (subscription ? this.#deps.gates.cap(subscription) : 1)) return // asked again when one of its attempts ends
    line.queued = true
    this.#ready.add(line)
  }

  #pump(): void {
    while (!this.#stopped && this.#inFlight < this.#deps.limits.maxInFlight) {
      const line = this.#ready.next()
      if (!line) return
      line.queued = false
      if (this.#mustWait(line) || this.#isClosed(line)) continue
      const delivery = line.waiting.shift()
      if (!delivery) continue
      this.#start(line, delivery)
      this.#enqueue(line)
    }
  }

  /** With most slots taken, a line that has one already waits until it is less crowded. */
  #mustWait(line: Line): boolean {
    if (line.inFlight === 0 || !this.#isCrowded()) return false
    line.queued = true
    this.#crowdedOut.push(line)
    return true
  }

  #isCrowded(): boolean {
    return this.#inFlight >= this.#deps.limits.maxInFlight * crowdedShare
  }

  #letIn(): void {
    for (let free = this.#crowdedOut.length; free > 0 && !this.#isCrowded(); free--) {
      const line = this.#crowdedOut.shift()
      if (!line) return
      line.queued = false
      this.#enqueue(line)
      this.#pump()
    }
  }

  /** Parks a line whose gate is closed for a moment, and empties one whose gate stays closed for longer. */
  #isClosed(line: Line): boolean {
    const subscription = this.#deps.subscription(line.subscriptionId)
    const opensAt = subscription ? this.#deps.gates.opensAt(subscription) : 0
    if (opensAt === 0) return false
    const waitMs = opensAt - this.#deps.clock.now()
    if (waitMs > parkMs) {
      this.#deps.defer(line.subscriptionId, line.waiting.drain(), opensAt)
      return true
    }
    line.queued = true
    setTimeout(() => {
      line.queued = false
      this.#enqueue(line)
      this.#pump()
    }, waitMs)
    return true
  }

  #start(line: Line, delivery: Delivery): void {
    const subscription = this.#deps.subscription(line.subscriptionId)
    if (subscription) this.#deps.gates.begin(subscription)
    line.inFlight++
    this.#inFlight++
    const ended = (answered: boolean) => {
      if (answered) line.allowed++
      line.inFlight--
      this.#inFlight--
      this.#enqueue(line)
      this.#pump()
      if (this.#crowdedOut.length > 0) this.#letIn()
    }
    this.#deps.attempt(delivery, subscription).then(ended, () => ended(false))
  }
}
