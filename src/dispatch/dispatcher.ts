import type { Member } from '../cluster/membership.ts'
import type { Delivery, SharedPayload } from '../model/delivery.ts'
import type { Clock } from '../platform/clock.ts'
import type { Subscription } from '../subscriptions/subscription.ts'
import { heldBy, lanePart, MemoryBudget, type MemoryLimits } from './memory-budget.ts'
import { RoundRobin } from './round-robin.ts'
import { newSubscriptionQueue, type QueueHalf, type SubscriptionQueue } from './subscription-queue.ts'
import type { Throttle } from './throttle.ts'

export interface DispatcherLimits extends MemoryLimits {
  /** Attempts in flight, in all. */
  readonly maxInFlight: number
  /**
   * Attempts in flight of a subscription that has just come to memory; each answer allows one more. So a receiver that
   * hangs is found out at the cost of a few slots. Unlimited when not given.
   */
  readonly firstInFlight?: number
  /** Attempts in flight to one origin, where they are not set by the subscription. Unlimited when not given. */
  readonly originInFlight?: () => number
}

export interface DispatcherDeps {
  readonly limits: DispatcherLimits
  readonly subscription: (id: number) => Subscription | undefined
  readonly clock: Clock
  readonly throttle: Throttle
  /** Takes deliveries that may not be sent before `until` (Unix milliseconds) back to their lane. */
  readonly defer: (subscriptionId: number, deliveries: readonly Delivery[], until: number) => void
  /**
   * Makes one attempt. Resolves when the request has ended, with whether the receiver answered; the delivery itself
   * stays held until `release` is called for it. Never rejects.
   */
  readonly attempt: (delivery: Delivery, subscription: Subscription | undefined) => Promise<boolean>
  /** While it is not sure, others may have taken over what is held: nothing is started until `wake` is called. */
  readonly membership: Pick<Member, 'isSure'>
  /** Called with each delivery that comes to memory. */
  readonly pushed?: (delivery: Delivery) => void
}

/** What goes to one origin. */
interface OriginLoad {
  inFlight: number
  /** Have a slot of their own, and wait for one of their origin. */
  readonly waiting: Set<SubscriptionQueue>
}

/** Halves of one kind: those whose turn it will be, and those that wait until it is less crowded. */
interface Lineup {
  readonly ready: RoundRobin<QueueHalf>
  readonly crowdedOut: Set<QueueHalf>
}

/**
 * Above this part of `maxInFlight` a subscription gets a slot only when it has none in flight. Slow receivers keep their
 * slots for long, so without this they would take all of them.
 */
const crowdedPart = 0.75

/** A subscription that may be sent to again within this waits in memory; a longer wait is the lane's. */
const parkMs = 2000

/** What is held now; for metrics and for deciding whether to shut down. */
export interface DispatcherLoad {
  readonly held: number
  readonly heldBytes: number
  readonly inFlight: number
}

/**
 * Holds the deliveries that are in memory and starts their attempts: whose turn it is (round robin over tenants, then
 * subscriptions), and how many run at a time (per subscription as `Throttle.cap` says, and in all). What finds no room
 * is not taken: `reserve` answers false, and the delivery waits in its lane. So memory is bounded, and one slow receiver
 * holds only a few slots.
 *
 * Fresh deliveries and those from lanes take turns, among subscriptions and within one. So neither starves the other,
 * and a fresh event overtakes the backlog of its own subscription. A quarter of the slots and of the memory is never
 * given to lanes (`lanePart`).
 */
export class Dispatcher {
  readonly #deps: DispatcherDeps
  readonly #queues = new Map<number, SubscriptionQueue>()
  readonly #origins = new Map<string, OriginLoad>()
  readonly #budget: MemoryBudget
  readonly #fresh: Lineup = { ready: new RoundRobin(), crowdedOut: new Set() }
  readonly #ofLanes: Lineup = { ready: new RoundRobin(), crowdedOut: new Set() }
  /** Attempts in flight that lanes may have. */
  readonly #laneSlots: number
  #inFlight = 0
  #ofLanesInFlight = 0
  #freshWasLast = false
  #stopped = false

  constructor(deps: DispatcherDeps) {
    this.#deps = deps
    this.#budget = new MemoryBudget(deps.limits)
    this.#laneSlots = Math.max(1, Math.floor(deps.limits.maxInFlight * lanePart))
  }

  get load(): DispatcherLoad {
    return { held: this.#budget.held, heldBytes: this.#budget.heldBytes, inFlight: this.#inFlight }
  }

  /**
   * Asks for room for one delivery. True: the room is taken, until `release`.
   *
   * @param fresh straight from ingest, not from a lane
   * @param shared the payload, where other deliveries have it, too
   */
  reserve(
    subscriptionId: number,
    tenant: string,
    sizeBytes: number,
    fresh: boolean,
    shared?: SharedPayload,
  ): boolean {
    const known = this.#queues.get(subscriptionId)
    if (this.#stopped || !this.#budget.has(known?.held, sizeBytes, fresh, shared)) return false
    const queue = known ?? this.#newSubscriptionQueue(subscriptionId, tenant)
    this.#budget.take(queue.held, sizeBytes, fresh, shared)
    return true
  }

  /** Gives back the room of a delivery that has left memory, or was never pushed; the rest as when it was reserved. */
  release(subscriptionId: number, sizeBytes: number, fresh = true, shared?: SharedPayload): void {
    const queue = this.#queues.get(subscriptionId)
    this.#budget.giveBack(queue?.held, sizeBytes, fresh, shared)
    if (queue && heldBy(queue.held) === 0) this.#queues.delete(subscriptionId)
  }

  /** Takes a delivery for which room was reserved. Its attempt starts when its turn comes. */
  push(delivery: Delivery): void {
    const queue = this.#queues.get(delivery.subscriptionId)
    if (!queue)
      throw new Error(`no room was reserved for a delivery to subscription ${delivery.subscriptionId}`)
    const half = delivery.lane === null ? queue.fresh : queue.ofLane
    half.deliveries.push(delivery)
    this.#deps.pushed?.(delivery)
    this.#enqueue(queue)
    this.#pump()
  }

  /** Attempts to a subscription that are in flight. */
  inFlightTo(subscriptionId: number): number {
    return this.#queues.get(subscriptionId)?.inFlight ?? 0
  }

  /** Looks again at a subscription that may have more slots than a moment ago. */
  lookAgain(subscriptionId: number): void {
    const queue = this.#queues.get(subscriptionId)
    if (!queue) return
    this.#enqueue(queue)
    this.#pump()
  }

  /** What is held is known to be ours again. */
  wake(): void {
    this.#pump()
  }

  /** Subscriptions for which something straight from ingest waits. */
  withFresh(): readonly number[] {
    const lines = [...this.#queues.values()].filter(({ fresh }) => fresh.deliveries.length > 0)
    return lines.map(({ subscriptionId }) => subscriptionId)
  }

  /** Takes out all that wait and have not begun. */
  takeAll(): readonly Delivery[] {
    return [...this.#queues.keys()].flatMap(id => this.takeWaiting(id))
  }

  /** Takes out all that wait for a subscription and have not begun; or only those that came from its lane. */
  takeWaiting(subscriptionId: number, only?: 'of lane'): readonly Delivery[] {
    const queue = this.#queues.get(subscriptionId)
    if (!queue) return []
    const fresh = only === undefined ? queue.fresh.deliveries.drain() : []
    return [...fresh, ...queue.ofLane.deliveries.drain()]
  }

  /** Starts nothing from now on. What waits stays held: its rows are freed with all that this process holds. */
  stop(): void {
    this.#stopped = true
  }

  #newSubscriptionQueue(subscriptionId: number, tenant: string): SubscriptionQueue {
    const queue = newSubscriptionQueue(subscriptionId, tenant, this.#deps.limits.firstInFlight)
    this.#queues.set(subscriptionId, queue)
    return queue
  }

  #enqueue(queue: SubscriptionQueue): void {
    if (!this.#hasSlot(queue)) return // asked again when one of its attempts ends
    for (const half of [queue.fresh, queue.ofLane]) {
      if (half.queued || half.deliveries.length === 0) continue
      half.queued = true
      this.#lineupOf(half).ready.add(half)
    }
  }

  #lineupOf(half: QueueHalf): Lineup {
    return half === half.queue.fresh ? this.#fresh : this.#ofLanes
  }

  #hasSlot(queue: SubscriptionQueue): boolean {
    if (queue.inFlight >= queue.allowed) return false
    const subscription = this.#deps.subscription(queue.subscriptionId)
    if (queue.inFlight < (subscription ? this.#deps.throttle.cap(subscription) : 1))
      return !subscription || this.#originHasSlot(subscription, queue)
    if (subscription && queue.fresh.deliveries.length + queue.ofLane.deliveries.length > 0)
      this.#deps.throttle.isShort(subscription)
    return false
  }

  #originHasSlot({ origin, isAdaptive }: Subscription, queue: SubscriptionQueue): boolean {
    const { originInFlight } = this.#deps.limits
    const load = isAdaptive && originInFlight ? this.#origins.get(origin) : undefined
    if (!load || !originInFlight || load.inFlight < originInFlight()) return true
    load.waiting.add(queue)
    return false
  }

  #beginTo(origin: string): OriginLoad {
    const load = this.#origins.get(origin) ?? { inFlight: 0, waiting: new Set() }
    if (load.inFlight++ === 0) this.#origins.set(origin, load)
    return load
  }

  /** Who has waited longest for a slot of this origin gets it; when none is in use any more all of them may ask again. */
  #endTo(origin: string, load: OriginLoad): void {
    const isLast = --load.inFlight === 0
    if (isLast) this.#origins.delete(origin)
    for (const queue of load.waiting) {
      load.waiting.delete(queue)
      this.#enqueue(queue)
      if (!isLast) return
    }
  }

  #pump(): void {
    while (!this.#stopped && this.#inFlight < this.#deps.limits.maxInFlight) {
      if (!this.#deps.membership.isSure) return
      const half = this.#next()
      if (!half) return
      half.queued = false
      const { queue } = half
      if (!this.#hasSlot(queue) || this.#isClosed(half)) continue
      const delivery = this.#choose(queue)
      if (delivery) {
        this.#start(queue, delivery)
        this.#enqueue(queue)
      } else if (half.deliveries.length > 0) {
        half.queued = true
        this.#lineupOf(half).crowdedOut.add(half)
      }
    }
  }

  /** Fresh ones and those of lanes in turn; only fresh ones when lanes have all the slots they may have. */
  #next(): QueueHalf | undefined {
    const lanesFirst = this.#freshWasLast
    if (this.#ofLanesInFlight >= this.#laneSlots) return this.#fresh.ready.next()
    const [first, second] = lanesFirst ? [this.#ofLanes, this.#fresh] : [this.#fresh, this.#ofLanes]
    const half = first.ready.next() ?? second.ready.next()
    if (half) this.#freshWasLast = half === half.queue.fresh
    return half
  }

  /** What of a subscription is started next, if it may start anything: with most slots taken, one that has one already waits. */
  #choose(queue: SubscriptionQueue): Delivery | undefined {
    const mayFresh = queue.inFlight === 0 || !this.#isCrowded(this.#fresh)
    const mayLane =
      this.#ofLanesInFlight < this.#laneSlots && (queue.inFlight === 0 || !this.#isCrowded(this.#ofLanes))
    const lane = mayLane ? queue.ofLane.deliveries : undefined
    const isLanesTurn = queue.freshWasLast || !mayFresh || queue.fresh.deliveries.length === 0
    if (lane && lane.length > 0 && isLanesTurn) {
      queue.freshWasLast = false
      return lane.shift()
    }
    if (!mayFresh) return undefined
    queue.freshWasLast = true
    return queue.fresh.deliveries.shift()
  }

  #isCrowded(lineup: Lineup): boolean {
    if (this.#inFlight >= this.#deps.limits.maxInFlight * crowdedPart) return true
    return lineup === this.#ofLanes && this.#ofLanesInFlight >= this.#laneSlots * crowdedPart
  }

  #letIn(lineup: Lineup): void {
    for (const half of lineup.crowdedOut) {
      if (this.#isCrowded(lineup)) return
      this.#comeBack(half)
      this.#pump()
    }
  }

  #comeBack(half: QueueHalf): void {
    this.#lineupOf(half).crowdedOut.delete(half)
    half.queued = false
    this.#enqueue(half.queue)
  }

  /** Parks a subscription that may be sent to again in a moment, and gives back to its lane what waits for longer. */
  #isClosed(half: QueueHalf): boolean {
    const { subscriptionId } = half.queue
    const subscription = this.#deps.subscription(subscriptionId)
    const opensAt = subscription ? this.#deps.throttle.opensAt(subscription) : 0
    if (opensAt === 0) return false
    const waitMs = opensAt - this.#deps.clock.now()
    if (waitMs > parkMs) {
      this.#deps.defer(subscriptionId, this.takeWaiting(subscriptionId), opensAt)
      return true
    }
    half.queued = true
    setTimeout(() => {
      half.queued = false
      this.#enqueue(half.queue)
      this.#pump()
    }, waitMs)
    return true
  }

  #start(queue: SubscriptionQueue, delivery: Delivery): void {
    const subscription = this.#deps.subscription(queue.subscriptionId)
    if (subscription) this.#deps.throttle.begin(subscription)
    const ofLanes = delivery.lane === null ? 0 : 1
    const origin = subscription?.origin ?? ''
    const load = this.#beginTo(origin)
    queue.inFlight++
    this.#inFlight++
    this.#ofLanesInFlight += ofLanes
    const ended = (answered: boolean) => {
      if (answered) queue.allowed++
      queue.inFlight--
      this.#inFlight--
      this.#ofLanesInFlight -= ofLanes
      this.#endTo(origin, load)
      this.#goOn(queue)
    }
    this.#deps.attempt(delivery, subscription).then(ended, () => ended(false))
  }

  /** An attempt of the subscription has ended. */
  #goOn(queue: SubscriptionQueue): void {
    // Crowded out for having had one in flight: with none left it takes its turn like any other.
    if (queue.inFlight === 0) {
      for (const half of [queue.fresh, queue.ofLane])
        if (this.#lineupOf(half).crowdedOut.has(half)) this.#comeBack(half)
    }
    this.#enqueue(queue)
    this.#pump()
    for (const lineup of [this.#fresh, this.#ofLanes]) if (lineup.crowdedOut.size > 0) this.#letIn(lineup)
  }
}
