import { Fifo } from '../platform/fifo.ts'
import type { Delivery } from '../queue/delivery.ts'
import type { Subscription } from '../subscriptions/subscription.ts'
import { ReadyRing } from './ready-ring.ts'

export interface DispatcherLimits {
  /** Attempts in flight, in all. */
  readonly maxInFlight: number
  /** Deliveries held in memory (waiting, in flight or being settled): per subscription, and in all. */
  readonly heldPerSubscription: number
  readonly heldInAll: number
  /** Payload bytes of the deliveries held. */
  readonly heldBytes: number
}

export interface DispatcherDeps {
  readonly limits: DispatcherLimits
  readonly subscription: (id: number) => Subscription | undefined
  /**
   * Makes one attempt and sees to what follows from it. Resolves when the receiver is done with; the delivery
   * itself stays held until `release` is called for it.
   */
  readonly attempt: (delivery: Delivery, subscription: Subscription | undefined) => Promise<void>
}

/** All of one subscription that is in memory. */
interface Line {
  readonly subscriptionId: number
  readonly tenant: string
  readonly waiting: Fifo<Delivery>
  inFlight: number
  /** Waiting, in flight, being settled, and reserved for events that are being written. */
  held: number
  /** In the ring, or about to be asked again when an attempt ends. */
  queued: boolean
}

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
   */
  reserve(subscriptionId: number, tenant: string, sizeBytes: number): boolean {
    const { heldInAll, heldBytes, heldPerSubscription } = this.#deps.limits
    if (this.#stopped || this.#held >= heldInAll) return false
    if (this.#heldBytes + sizeBytes > heldBytes && this.#held > 0) return false
    const line = this.#lineOf(subscriptionId, tenant)
    if (line.held >= heldPerSubscription) return false
    line.held++
    this.#held++
    this.#heldBytes += sizeBytes
    return true
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

  #lineOf(subscriptionId: number, tenant: string): Line {
    const known = this.#lines.get(subscriptionId)
    if (known) return known
    const line = {
      subscriptionId,
      tenant,
      waiting: new Fifo<Delivery>(),
      inFlight: 0,
      held: 0,
      queued: false,
    }
    this.#lines.set(subscriptionId, line)
    return line
  }

  #enqueue(line: Line): void {
    if (line.queued || line.waiting.length === 0) return
    const cap = this.#deps.subscription(line.subscriptionId)?.maxInFlight ?? 1
    if (line.inFlight >= cap) return // asked again when one of its attempts ends
    line.queued = true
    this.#ready.add(line)
  }

  #pump(): void {
    while (!this.#stopped && this.#inFlight < this.#deps.limits.maxInFlight) {
      const line = this.#ready.next()
      if (!line) return
      line.queued = false
      const delivery = line.waiting.shift()
      if (!delivery) continue
      this.#start(line, delivery)
      this.#enqueue(line)
    }
  }

  #start(line: Line, delivery: Delivery): void {
    line.inFlight++
    this.#inFlight++
    const ended = () => {
      line.inFlight--
      this.#inFlight--
      this.#enqueue(line)
      this.#pump()
    }
    this.#deps.attempt(delivery, this.#deps.subscription(line.subscriptionId)).then(ended, ended)
  }
}
