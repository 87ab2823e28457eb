import type { Member } from '../cluster/membership.ts'
import type { Delivery } from '../model/delivery.ts'
import type { LanePause } from '../model/pause.ts'
import type { Clock } from '../platform/clock.ts'
import type { Logger } from '../platform/logger.ts'
import { isDatabaseUnavailable, type Queryable } from '../platform/postgres.ts'
import type { Subscription } from '../subscriptions/subscription.ts'
import { asDelivery, type HeldLane, isLow, newLane, setChunk } from './held-lane.ts'
import { LaneLeases } from './lease.ts'
import { type Rates, RateTransfer } from './rate-transfer.ts'
import { ReadFrom } from './read-from.ts'
import { Recheck } from './recheck.ts'
import { cancelOwed, type DueRow, deleteLane, pauseLanes, readDue, releaseLanes } from './store.ts'

export interface LanesDeps {
  readonly connection: Queryable
  readonly clock: Clock
  readonly logger: Logger
  readonly membership: Pick<Member, 'id'>
  readonly subscription: (id: number) => Subscription | undefined
  /**
   * Reads a subscription anew, and says whether it exists: what is missing in memory may have been made elsewhere a
   * moment ago, or cannot be opened for want of its encryption key, which is no reason to cancel what it is owed.
   */
  readonly refreshSubscription: (id: number) => Promise<boolean>
  readonly sink: LaneSink
  /** No statement of an inserter takes longer. */
  readonly statementMsMax: number
  /** Gives a born-leased delivery back to its lane. */
  readonly handBack: (delivery: Delivery) => void
  /** Without it a rate limit begins anew with each lease. */
  readonly rates?: Rates
  /** For `ReadFrom`; replaced in tests. */
  readonly monotonicNow?: () => number
}

/** How often free lanes are looked for when nothing rings. Sets how late a retry can be. */
const pollMs = 250

/** Rows and lanes read with one statement: thousands of lanes are read some hundreds at a time, a few rows of each. */
const rowsMax = 5000
const lanesMax = 500
const rowsLeast = 5

/** The next look when the last one found no room for what is due. */
const fullMs = 50

/**
 * Works off the lanes: leases those that have something due, reads their due rows in order, hands them to the
 * dispatcher as it has room, and gives a lane back when a whole pass found nothing more. Reading writes nothing;
 * a row changes when it is settled. Everything that waits for its time or for room comes this way: retries,
 * overflow, replays, and what a dead process left behind.
 */
export class Lanes {
  readonly #deps: LanesDeps
  readonly #lanes = new Map<number, HeldLane>()
  readonly #marks: ReadFrom
  readonly #places: LaneLeases
  readonly #secondLook: Recheck
  readonly #pace: RateTransfer | undefined
  #reads = 0
  #isFull = false
  #timer: NodeJS.Timeout | undefined
  #round: Promise<void> | undefined
  #again = false
  #nextRing = Number.POSITIVE_INFINITY
  #stopped = true

  constructor(deps: LanesDeps) {
    this.#deps = deps
    this.#places = new LaneLeases(deps)
    this.#marks = new ReadFrom(deps)
    this.#secondLook = new Recheck(deps.connection, deps.statementMsMax, this.#marks.of)
    this.#pace = deps.rates && new RateTransfer({ ...deps, rates: deps.rates })
  }

  get held(): number {
    return this.#lanes.size
  }

  start(): void {
    this.#stopped = false
    this.#sleep(0)
  }

  /** Something will be due at `dueAt` (Unix milliseconds). A bell only: without it the next look finds it as well. */
  ring(dueAt: number): void {
    if (this.#stopped || dueAt >= this.#nextRing) return
    const inMs = Math.max(0, dueAt - this.#deps.clock.now())
    if (inMs < pollMs) this.#sleep(inMs)
  }

  /** Drops what is queued of a subscription that may not be sent to now (paused, closed or deleted), and lets go. */
  interrupt(
    subscriptionId: number,
    waiting: readonly Delivery[] = this.#deps.sink.takeWaiting(subscriptionId),
  ): void {
    const lane = this.#lanes.get(subscriptionId)
    if (lane) lane.closing = true
    this.#takeBack(waiting)
    this.#sleep(0)
  }

  /** Takes back what may not be sent for a while. A lane whose rate is used up is kept, and read when there is more. */
  defer(subscriptionId: number, waiting: readonly Delivery[]): void {
    const lane = this.#lanes.get(subscriptionId)
    if (!lane || !this.#pace?.isUsedUp(subscriptionId)) this.interrupt(subscriptionId, [])
    else lane.exhausted = true
    this.#takeBack(waiting)
  }

  /** Closes lanes for a while, for all processes. */
  close(pauses: readonly LanePause[]): Promise<void> {
    return pauseLanes(this.#deps.connection, pauses)
  }

  /** Leases and reads nothing more; what is held is given back with the process's other holdings. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#round
    await this.#pace?.leave(this.#lanes.keys())
  }

  /** The owner id has changed: what was leased under the old one is someone else's now. */
  forget(): void {
    for (const lane of this.#lanes.values()) lane.closing = true
  }

  #sleep(ms: number): void {
    if (this.#stopped) return
    if (this.#round) {
      if (ms < pollMs) this.#again = true
      return
    }
    clearTimeout(this.#timer)
    this.#nextRing = this.#deps.clock.now() + ms
    this.#timer = setTimeout(() => {
      this.#again = false
      this.#nextRing = Number.POSITIVE_INFINITY // a bell during the round asks for another one
      this.#round = this.#work()
        .catch(error => {
          const level = isDatabaseUnavailable(error) ? 'debug' : 'error'
          this.#deps.logger[level]({ err: error }, 'could not work on the lanes, again soon')
        })
        .finally(() => {
          this.#round = undefined
          this.#sleep(this.#again ? this.#soonMs : pollMs)
        })
    }, ms)
  }

  async #work(): Promise<void> {
    await this.#secondLook.look()
    await this.#lease()
    await this.#pace?.read()
    await this.#read()
    await this.#release()
  }

  async #lease(): Promise<void> {
    const taken = () => (this.#stopped ? Number.POSITIVE_INFINITY : this.#lanes.size)
    const moreWait = await this.#places.lease(taken, lanes => {
      const others = lanes.filter(({ subscriptionId }) => !this.#lanes.has(subscriptionId))
      this.#pace?.leased(others.map(({ subscriptionId }) => subscriptionId))
      for (const { subscriptionId: id, dueAt } of others) {
        this.#marks.leased(id, dueAt)
        const lane = newLane(id, this.#deps.clock.now(), delivery => this.#left(delivery))
        this.#lanes.set(id, lane)
      }
    })
    if (!moreWait || this.#stopped) return
    for (const lane of this.#places.givingWay(this.#lanes.values())) {
      lane.closing = true
      lane.givesWay = true
      for (const delivery of this.#deps.sink.takeWaiting(lane.subscriptionId, 'of lane')) this.#left(delivery)
    }
  }

  async #read(): Promise<void> {
    const wanting: HeldLane[] = []
    for (const lane of this.#lanes.values()) {
      if (lane.closing) continue
      const subscription = this.#deps.subscription(lane.subscriptionId)
      if (!subscription) await this.#drainDeleted(lane)
      else if (subscription.paused) lane.closing = true
      else if (!lane.exhausted && isLow(lane)) wanting.push(lane)
    }
    this.#isFull = false
    // Those with the least in memory first, and of these who has waited longest: where there is not room for all, each
    // gets some in turn.
    wanting.sort((one, other) => one.inMemory - other.inMemory || one.lastTaken - other.lastTaken)
    const share = Math.max(rowsLeast, Math.floor(rowsMax / wanting.length))
    for (let from = 0; from < wanting.length; from += lanesMax) {
      this.#isFull = !(await this.#readSome(wanting.slice(from, from + lanesMax), share))
      if (this.#isFull) return
    }
  }

  /** @returns false when rows were found and none was taken: there is no room for the others either */
  async #readSome(lanes: readonly HeldLane[], share: number): Promise<boolean> {
    const now = this.#deps.clock.now()
    const reads = lanes.map(lane => {
      const { subscriptionId, after, chunk } = lane
      const limit = Math.min(chunk / 2, share)
      return { lane, subscriptionId, after: after ?? this.#marks.startOf(subscriptionId), limit }
    })
    const rows = await readDue(this.#deps.connection, reads, now)
    this.#reads++
    const byLane = Map.groupBy(rows, row => row.subscriptionId)
    for (const { lane, subscriptionId, after, limit } of reads) {
      const ofLane = byLane.get(subscriptionId) ?? []
      if (!lane.after) this.#marks.found(subscriptionId, after, ofLane[0]?.dueAt, now)
      this.#take(lane, ofLane, limit)
    }
    return rows.length === 0 || lanes.some(lane => lane.lastTaken === this.#reads)
  }

  #take(lane: HeldLane, rows: readonly DueRow[], limit: number): void {
    if (lane.closing) return // while it was read
    lane.exhausted = rows.length < limit
    const tenant = this.#deps.subscription(lane.subscriptionId)?.tenant ?? ''
    for (const row of rows) {
      if (!this.#deps.sink.reserve(row.subscriptionId, tenant, row.sizeBytes, false)) {
        lane.exhausted = false // no room: goes on behind the last row that was taken
        return
      }
      lane.after = { dueAt: row.dueAt, webhookId: row.webhookId }
      lane.inMemory++
      lane.found++
      lane.lastTaken = this.#reads
      this.#deps.sink.push(asDelivery(row, lane))
    }
    if (!lane.exhausted) setChunk(lane, this.#deps.clock.now())
  }

  #takeBack(waiting: readonly Delivery[]): void {
    for (const delivery of waiting) {
      if (delivery.lane === null) this.#deps.handBack(delivery)
      else this.#left(delivery)
    }
  }

  /** A delivery of a lane has left memory. */
  #left(delivery: Delivery): void {
    this.#deps.sink.release(delivery.subscriptionId, delivery.sizeBytes, false)
    const lane = this.#lanes.get(delivery.subscriptionId)
    if (!lane || lane !== delivery.lane) return
    lane.inMemory--
    if (lane.inMemory === 0 || (isLow(lane) && !lane.exhausted)) this.#soon()
  }

  /** Where there was no room for what is due, each delivery that leaves makes some: not every one is worth a look. */
  get #soonMs(): number {
    return this.#isFull ? fullMs : 0
  }

  #soon(): void {
    if (this.#round || this.#deps.clock.now() + this.#soonMs < this.#nextRing) this.#sleep(this.#soonMs)
  }

  async #release(): Promise<void> {
    const over: HeldLane[] = []
    for (const lane of this.#lanes.values()) {
      if (lane.inMemory > 0 || !(lane.closing || lane.exhausted)) continue
      if (!lane.closing && lane.found > 0) {
        if (this.#pace?.isUsedUp(lane.subscriptionId)) continue
        // One more pass from the start: rows may have become due behind the position meanwhile.
        Object.assign(lane, { after: undefined, exhausted: false, found: 0 })
        this.#again = true
      } else over.push(lane)
    }
    // In order of id, as all who lock several lanes do.
    over.sort((one, other) => one.subscriptionId - other.subscriptionId)
    await this.#giveBack(over.filter(lane => !lane.givesWay))
    await this.#giveBack(
      over.filter(lane => lane.givesWay),
      this.#places.endOfQueue,
    )
  }

  async #giveBack(lanes: readonly HeldLane[], notBefore?: number): Promise<void> {
    if (lanes.length === 0) return
    const ids = lanes.map(lane => lane.subscriptionId)
    await this.#pace?.keep(ids)
    await releaseLanes(this.#deps.connection, this.#deps.membership.id, ids, notBefore, this.#marks.of)
    for (const id of ids) this.#lanes.delete(id)
    this.#secondLook.add(ids)
  }

  /** The subscription is gone, or not in memory: what is owed to it ends in the log, and then its lane goes too. */
  async #drainDeleted(lane: HeldLane): Promise<void> {
    const state = await drainDeleted(this.#deps, lane)
    if (state === 'exists' && !this.#deps.subscription(lane.subscriptionId)) lane.closing = true
    if (state === 'draining') this.#again = true
    if (state === 'drained') this.#lanes.delete(lane.subscriptionId)
  }
}

/** Rows that end with one statement. */
const cancelledRowsMax = 1000

export interface DeletedLaneDeps {
  readonly connection: Queryable
  readonly logger: Logger
  /** Reads the subscription anew, and says whether it exists. */
  readonly refreshSubscription: (id: number) => Promise<boolean>
}

/**
 * One step in the end of a lane whose subscription seems to be gone: what is owed to it ends in the log, some rows at a
 * time, and the lane goes when nothing is left of it in the database or in memory.
 */
export async function drainDeleted(
  { connection, logger, refreshSubscription }: DeletedLaneDeps,
  { subscriptionId, inMemory }: Pick<HeldLane, 'subscriptionId' | 'inMemory'>,
): Promise<'exists' | 'draining' | 'in memory' | 'drained'> {
  if (await refreshSubscription(subscriptionId)) return 'exists'
  const cancelled = await cancelOwed(
    connection,
    subscriptionId,
    'the subscription was deleted',
    cancelledRowsMax,
  )
  if (cancelled > 0) {
    logger.info(
      { subscription: subscriptionId, cancelled },
      'cancelled what was owed to a deleted subscription',
    )
    return 'draining'
  }
  if (inMemory > 0) return 'in memory'
  await deleteLane(connection, subscriptionId)
  return 'drained'
}

/** What the lanes need of the dispatcher. */
export interface LaneSink {
  reserve(subscriptionId: number, tenant: string, sizeBytes: number, fresh: boolean): boolean
  release(subscriptionId: number, sizeBytes: number, fresh: boolean): void
  push(delivery: Delivery): void
  /** Takes out what waits for a subscription and has not begun; or only what came from its lane. */
  takeWaiting(subscriptionId: number, only?: 'of lane'): readonly Delivery[]
}
