import type { Clock } from '../platform/clock.ts'
import type { Uuid } from '../platform/id.ts'
import { uuidLowerBound, uuidTime } from '../platform/id.ts'
import type { Logger } from '../platform/logger.ts'
import { isDatabaseUnavailable, type Queryable } from '../platform/postgres.ts'
import type { Subscription } from '../subscriptions/subscription.ts'
import type { Delivery, LaneRun } from './delivery.ts'
import type { LanePause } from './lane-pause.ts'
import { pauseLanes } from './pause-store.ts'
import { SecondLook } from './second-look.ts'
import {
  cancelOwed,
  type DueRow,
  deleteLane,
  type LanePosition,
  leaseLanes,
  readDue,
  releaseLanes,
} from './store.ts'

/** What the lanes need of the dispatcher. */
export interface LaneSink {
  reserve(subscriptionId: number, tenant: string, sizeBytes: number, fresh: boolean): boolean
  release(subscriptionId: number, sizeBytes: number, fresh: boolean): void
  push(delivery: Delivery): void
  /** Takes out what waits for a subscription and has not begun; or only what came from its lane. */
  takeWaiting(subscriptionId: number, only?: 'of lane'): readonly Delivery[]
}

export interface LanesDeps {
  readonly connection: Queryable
  readonly clock: Clock
  readonly logger: Logger
  readonly owner: () => number
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
}

/** How often free lanes are looked for when nothing rings. Sets how late a retry can be. */
const pollMs = 250

/** Lanes held at a time, and leased per look. */
const heldLanesMax = 4096
const leaseMax = 64

/** Rows of one lane read at a time; the next are read when so few are left. */
const chunk = 100
const lowWater = 40

const start: LanePosition = { dueAt: 0, webhookId: uuidLowerBound(0) }

/** A lane that this process has leased. */
interface Lane extends LaneRun {
  readonly subscriptionId: number
  /** Rows up to here are read in this pass. */
  after: LanePosition
  /** Rows pushed and not settled yet. */
  inMemory: number
  /** The last read of this pass found fewer rows than it could take. */
  exhausted: boolean
  /** Rows found in this pass; a whole pass without any ends the lease. */
  found: number
  /** No more is read, and the lane is released when its last delivery has left. */
  closing: boolean
}

/**
 * Works off the lanes: leases those that have something due, reads their due rows in order, hands them to the
 * dispatcher as it has room, and gives a lane back when a whole pass found nothing more. Reading writes nothing;
 * a row changes when it is settled. Everything that waits for its time or for room comes this way: retries,
 * overflow, replays, and what a dead process left behind.
 */
export class Lanes {
  readonly #deps: LanesDeps
  readonly #lanes = new Map<number, Lane>()
  readonly #secondLook: SecondLook
  #timer: NodeJS.Timeout | undefined
  #round: Promise<void> | undefined
  #again = false
  #nextRing = Number.POSITIVE_INFINITY
  #stopped = true

  constructor(deps: LanesDeps) {
    this.#deps = deps
    this.#secondLook = new SecondLook(deps.connection, deps.statementMsMax)
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
    for (const delivery of waiting) {
      if (delivery.lane === null) this.#deps.handBack(delivery)
      else this.#left(delivery)
    }
    this.#sleep(0)
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
          this.#sleep(this.#again ? 0 : pollMs)
        })
    }, ms)
  }

  async #work(): Promise<void> {
    await this.#secondLook.look()
    await this.#lease()
    await this.#read()
    await this.#release()
  }

  async #lease(): Promise<void> {
    const { connection, owner, clock } = this.#deps
    while (this.#lanes.size < heldLanesMax && !this.#stopped) {
      const limit = Math.min(leaseMax, heldLanesMax - this.#lanes.size)
      const ids = await leaseLanes(connection, owner(), clock.now(), limit)
      for (const id of ids) if (!this.#lanes.has(id)) this.#lanes.set(id, this.#newLane(id))
      if (ids.length < limit) return
    }
  }

  #newLane(subscriptionId: number): Lane {
    return {
      subscriptionId,
      after: start,
      inMemory: 0,
      exhausted: false,
      found: 0,
      closing: false,
      left: delivery => this.#left(delivery),
    }
  }

  async #read(): Promise<void> {
    const wanting: Lane[] = []
    for (const lane of this.#lanes.values()) {
      if (lane.closing) continue
      const subscription = this.#deps.subscription(lane.subscriptionId)
      if (!subscription) await this.#drainDeleted(lane)
      else if (subscription.paused) lane.closing = true
      else if (!lane.exhausted && lane.inMemory <= lowWater) wanting.push(lane)
    }
    if (wanting.length === 0) return
    const now = this.#deps.clock.now()
    const limit = chunk - lowWater
    const rows = await readDue(
      this.#deps.connection,
      wanting.map(({ subscriptionId, after }) => ({ subscriptionId, after, limit })),
      now,
    )
    const byLane = Map.groupBy(rows, row => row.subscriptionId)
    for (const lane of wanting) this.#take(lane, byLane.get(lane.subscriptionId) ?? [], limit)
  }

  #take(lane: Lane, rows: readonly DueRow[], limit: number): void {
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
      this.#deps.sink.push(asDelivery(row, lane))
    }
  }

  /** A delivery of a lane has left memory. */
  #left(delivery: Delivery): void {
    this.#deps.sink.release(delivery.subscriptionId, delivery.sizeBytes, false)
    const lane = this.#lanes.get(delivery.subscriptionId)
    if (!lane || lane !== delivery.lane) return
    lane.inMemory--
    if (lane.inMemory <= lowWater && !lane.exhausted) this.#sleep(0)
    if (lane.inMemory === 0) this.#sleep(0)
  }

  async #release(): Promise<void> {
    const over: number[] = []
    for (const lane of this.#lanes.values()) {
      if (lane.inMemory > 0 || !(lane.closing || lane.exhausted)) continue
      if (!lane.closing && lane.found > 0) {
        // One more pass from the start: rows may have become due behind the position meanwhile.
        Object.assign(lane, { after: start, exhausted: false, found: 0 })
        this.#again = true
      } else over.push(lane.subscriptionId)
    }
    if (over.length === 0) return
    // In order of id, as all who lock several lanes do.
    over.sort((a, b) => a - b)
    await releaseLanes(this.#deps.connection, this.#deps.owner(), over)
    for (const id of over) this.#lanes.delete(id)
    this.#secondLook.add(over)
  }

  /** The subscription is gone: what is owed to it ends in the log, and then its lane goes too. */
  async #drainDeleted(lane: Lane): Promise<void> {
    const { connection, logger } = this.#deps
    if (await this.#deps.refreshSubscription(lane.subscriptionId)) {
      if (!this.#deps.subscription(lane.subscriptionId)) lane.closing = true
      return
    }
    const cancelled = await cancelOwed(connection, lane.subscriptionId, 'the subscription was deleted', 1000)
    if (cancelled > 0) {
      logger.info(
        { subscription: lane.subscriptionId, cancelled },
        'cancelled what was owed to a deleted subscription',
      )
      this.#again = true
    } else if (lane.inMemory === 0) {
      await deleteLane(connection, lane.subscriptionId)
      this.#lanes.delete(lane.subscriptionId)
    }
  }
}

function asDelivery(row: DueRow, lane: LaneRun): Delivery {
  return {
    webhookId: row.webhookId,
    subscriptionId: row.subscriptionId,
    attempt: row.attempt,
    attemptsBefore: row.attempt - (row.replayFrom ?? 1),
    since: row.replayedAt ?? uuidTime(row.webhookId as Uuid),
    sizeBytes: row.sizeBytes,
    dueAt: row.dueAt,
    content: null,
    lane,
  }
}
