import type { Delivery } from '../model/delivery.ts'
import type { Clock } from '../platform/clock.ts'
import type { Subscription } from '../subscriptions/subscription.ts'
import { heldBy, laneShare, Room, type RoomLimits } from './memory-budget.ts'
import { ReadyRing } from './round-robin.ts'
import { type Line, newLine, type Turn } from './subscription-queue.ts'
import type { Gates } from './throttle.ts'

export interface DispatcherLimits extends RoomLimits {
  /** Attempts in flight, in all. */
  readonly maxInFlight: number
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
  /** False: what is held may be others' by now, so none of it is begun until `wake` is called. Always true if left out. */
  readonly isOurs?: () => boolean
}

/** Those whose turn it will be, and those that wait until it is less crowded. */
interface Way {
  readonly ready: ReadyRing<Turn>
  readonly crowdedOut: Set<Turn>
}

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
 *
 * What is fresh and what lanes bring take turns, among subscriptions and within one: so neither starves the other, and
 * a fresh event overtakes the backlog of its own subscription. A quarter of the slots and of the memory is kept free of
 * lanes altogether (`laneShare`).
 */
export class Dispatcher {
  readonly #deps: DispatcherDeps
  readonly #lines = new Map<number, Line>()
  readonly #room: Room
  readonly #fresh: Way = { ready: new ReadyRing(), crowdedOut: new Set() }
  readonly #ofLanes: Way = { ready: new ReadyRing(), crowdedOut: new Set() }
  /** Attempts in flight that lanes may have. */
  readonly #laneSlots: number
  #inFlight = 0
  #ofLanesInFlight = 0
  #freshWasLast = false
  #stopped = false

  constructor(deps: DispatcherDeps) {
    this.#deps = deps
    this.#room = new Room(deps.limits)
    this.#laneSlots = Math.max(1, Math.floor(deps.limits.maxInFlight * laneShare))
  }

  get load(): DispatcherLoad {
    return { held: this.#room.held, heldBytes: this.#room.heldBytes, inFlight: this.#inFlight }
  }

  /**
   * Asks for room for one delivery. True: the room is taken, until `release`.
   *
   * @param fresh straight from ingest, not from a lane
   */
  reserve(subscriptionId: number, tenant: string, sizeBytes: number, fresh: boolean): boolean {
    const known = this.#lines.get(subscriptionId)
    if (this.#stopped || !this.#room.has(known?.held, sizeBytes, fresh)) return false
    const line = known ?? this.#newLine(subscriptionId, tenant)
    this.#room.take(line.held, sizeBytes, fresh)
    return true
  }

  /** Gives back the room of a delivery that has left memory, or was never pushed; `fresh` as when it was reserved. */
  release(subscriptionId: number, sizeBytes: number, fresh = true): void {
    const line = this.#lines.get(subscriptionId)
    this.#room.giveBack(line?.held, sizeBytes, fresh)
    if (line && heldBy(line.held) === 0) this.#lines.delete(subscriptionId)
  }

  /** Takes a delivery for which room was reserved. Its attempt starts when its turn comes. */
  push(delivery: Delivery): void {
    const line = this.#lines.get(delivery.subscriptionId)
    if (!line)
      throw new Error(`no room was reserved for a delivery to subscription ${delivery.subscriptionId}`)
    const turn = delivery.lane === null ? line.fresh : line.ofLane
    turn.waiting.push(delivery)
    this.#enqueue(line)
    this.#pump()
  }

  /** Attempts to a subscription that are in flight. */
  inFlightTo(subscriptionId: number): number {
    return this.#lines.get(subscriptionId)?.inFlight ?? 0
  }

  /** Looks again at a subscription that may have more slots than a moment ago. */
  nudge(subscriptionId: number): void {
    const line = this.#lines.get(subscriptionId)
    if (!line) return
    this.#enqueue(line)
    this.#pump()
  }

  /** What is held is known to be ours again. */
  wake(): void {
    this.#pump()
  }

  /** Subscriptions for which something straight from ingest waits. */
  withFresh(): readonly number[] {
    const lines = [...this.#lines.values()].filter(({ fresh }) => fresh.waiting.length > 0)
    return lines.map(({ subscriptionId }) => subscriptionId)
  }

  /** Takes out all that wait and have not begun. */
  takeAll(): readonly Delivery[] {
    return [...this.#lines.keys()].flatMap(id => this.takeWaiting(id))
  }

  /** Takes out all that wait for a subscription and have not begun; or only those that came from its lane. */
  takeWaiting(subscriptionId: number, only?: 'of lane'): readonly Delivery[] {
    const line = this.#lines.get(subscriptionId)
    if (!line) return []
    const fresh = only === undefined ? line.fresh.waiting.drain() : []
    return [...fresh, ...line.ofLane.waiting.drain()]
  }

  /** Starts nothing from now on, and takes out all that wait. */
  stop(): readonly Delivery[] {
    this.#stopped = true
    return this.takeAll()
  }

  #newLine(subscriptionId: number, tenant: string): Line {
    const line = newLine(subscriptionId, tenant, this.#deps.limits.firstInFlight)
    this.#lines.set(subscriptionId, line)
    return line
  }

  #enqueue(line: Line): void {
    if (!this.#hasSlot(line)) return // asked again when one of its attempts ends
    for (const turn of [line.fresh, line.ofLane]) {
      if (turn.queued || turn.waiting.length === 0) continue
      turn.queued = true
      this.#wayOf(turn).ready.add(turn)
    }
  }

  #wayOf(turn: Turn): Way {
    return turn === turn.line.fresh ? this.#fresh : this.#ofLanes
  }

  #hasSlot(line: Line): boolean {
    if (line.inFlight >= line.allowed) return false
    const subscription = this.#deps.subscription(line.subscriptionId)
    if (line.inFlight < (subscription ? this.#deps.gates.cap(subscription) : 1)) return true
    if (subscription && line.fresh.waiting.length + line.ofLane.waiting.length > 0)
      this.#deps.gates.isShort(subscription)
    return false
  }

  #pump(): void {
    while (!this.#stopped && this.#inFlight < this.#deps.limits.maxInFlight) {
      if (this.#deps.isOurs?.() === false) return
      const turn = this.#next()
      if (!turn) return
      turn.queued = false
      const { line } = turn
      if (!this.#hasSlot(line) || this.#isClosed(turn)) continue
      const delivery = this.#choose(line)
      if (delivery) {
        this.#start(line, delivery)
        this.#enqueue(line)
      } else if (turn.waiting.length > 0) {
        turn.queued = true
        this.#wayOf(turn).crowdedOut.add(turn)
      }
    }
  }

  /** Fresh ones and those of lanes in turn; only fresh ones when lanes have all the slots they may have. */
  #next(): Turn | undefined {
    const lanesFirst = this.#freshWasLast
    if (this.#ofLanesInFlight >= this.#laneSlots) return this.#fresh.ready.next()
    const [first, second] = lanesFirst ? [this.#ofLanes, this.#fresh] : [this.#fresh, this.#ofLanes]
    const turn = first.ready.next() ?? second.ready.next()
    if (turn) this.#freshWasLast = turn === turn.line.fresh
    return turn
  }

  /** What of a line is started next, if it may start anything: with most slots taken, one that has one already waits. */
  #choose(line: Line): Delivery | undefined {
    const mayFresh = line.inFlight === 0 || !this.#isCrowded(this.#fresh)
    const mayLane =
      this.#ofLanesInFlight < this.#laneSlots && (line.inFlight === 0 || !this.#isCrowded(this.#ofLanes))
    const lane = mayLane ? line.ofLane.waiting : undefined
    const isLanesTurn = line.freshWasLast || !mayFresh || line.fresh.waiting.length === 0
    if (lane && lane.length > 0 && isLanesTurn) {
      line.freshWasLast = false
      return lane.shift()
    }
    if (!mayFresh) return undefined
    line.freshWasLast = true
    return line.fresh.waiting.shift()
  }

  #isCrowded(way: Way): boolean {
    if (this.#inFlight >= this.#deps.limits.maxInFlight * crowdedShare) return true
    return way === this.#ofLanes && this.#ofLanesInFlight >= this.#laneSlots * crowdedShare
  }

  #letIn(way: Way): void {
    for (const turn of way.crowdedOut) {
      if (this.#isCrowded(way)) return
      this.#comeBack(turn)
      this.#pump()
    }
  }

  #comeBack(turn: Turn): void {
    this.#wayOf(turn).crowdedOut.delete(turn)
    turn.queued = false
    this.#enqueue(turn.line)
  }

  /** Parks a line whose gate is closed for a moment, and empties one whose gate stays closed for longer. */
  #isClosed(turn: Turn): boolean {
    const { subscriptionId } = turn.line
    const subscription = this.#deps.subscription(subscriptionId)
    const opensAt = subscription ? this.#deps.gates.opensAt(subscription) : 0
    if (opensAt === 0) return false
    const waitMs = opensAt - this.#deps.clock.now()
    if (waitMs > parkMs) {
      this.#deps.defer(subscriptionId, this.takeWaiting(subscriptionId), opensAt)
      return true
    }
    turn.queued = true
    setTimeout(() => {
      turn.queued = false
      this.#enqueue(turn.line)
      this.#pump()
    }, waitMs)
    return true
  }

  #start(line: Line, delivery: Delivery): void {
    const subscription = this.#deps.subscription(line.subscriptionId)
    if (subscription) this.#deps.gates.begin(subscription)
    const ofLanes = delivery.lane === null ? 0 : 1
    line.inFlight++
    this.#inFlight++
    this.#ofLanesInFlight += ofLanes
    const ended = (answered: boolean) => {
      if (answered) line.allowed++
      line.inFlight--
      this.#inFlight--
      this.#ofLanesInFlight -= ofLanes
      this.#goOn(line)
    }
    this.#deps.attempt(delivery, subscription).then(ended, () => ended(false))
  }

  /** One of a line's attempts has ended. */
  #goOn(line: Line): void {
    // Crowded out for having had one in flight: with none left it takes its turn like any other.
    if (line.inFlight === 0) {
      for (const turn of [line.fresh, line.ofLane])
        if (this.#wayOf(turn).crowdedOut.has(turn)) this.#comeBack(turn)
    }
    this.#enqueue(line)
    this.#pump()
    for (const way of [this.#fresh, this.#ofLanes]) if (way.crowdedOut.size > 0) this.#letIn(way)
  }
}
