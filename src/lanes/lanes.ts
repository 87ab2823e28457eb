import type { Member } from '../cluster/membership.ts'
import type { Delivery } from '../model/delivery.ts'
import type { LanePause } from '../model/pause.ts'
import type { Clock } from '../platform/clock.ts'
import type { Uuid } from '../platform/id.ts'
import type { Logger } from '../platform/logger.ts'
import type { Queryable } from '../platform/postgres.ts'
import { RepeatedFailure } from '../platform/repeated-failure.ts'
import type { Subscription } from '../subscriptions/subscription.ts'
import { drainDeleted } from './drain-deleted.ts'
import { type KeyedRow, type KeyWish, park, readDueKeyed, unpark } from './keyed-store.ts'
import { LaneLeases } from './lease.ts'
import { LeasedLane } from './leased-lane.ts'
import { type Rates, RateTransfer } from './rate-transfer.ts'
import { ReadFrom } from './read-from.ts'
import { Recheck } from './recheck.ts'
import { type DueRow, type LanePosition, type LaneRead, readDue, releaseLanes } from './store.ts'
import { pauseLanes } from './subscription-lanes-store.ts'

export interface LanesDeps {
  readonly connection: Queryable
  readonly clock: Clock
  readonly logger: Logger
  readonly membership: Pick<Member, 'id' | 'position' | 'isSure'>
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
  /** Whether the content of an event is in memory since it was accepted: no attempt has asked for it. Left out: never. */
  readonly isRecent?: (webhookId: Uuid) => boolean
  /** Without it a rate limit begins anew with each lease. */
  readonly rates?: Rates
  /** Milliseconds that never jump; replaced in tests. */
  readonly monotonicNow?: () => number
  /** How often free lanes are looked for when nothing rings; 250 ms unless given. Sets how late a retry can be. */
  readonly pollMs?: number
  /** How long an empty lane is kept; 1 s unless given. */
  readonly keptMs?: number
}

const pollMs = 250

/** Rows and lanes read with one statement: thousands of lanes are read some hundreds at a time, a few rows of each. */
const rowsMax = 5000
const lanesMax = 500
const rowsLeast = 5

/** Keys that are let go on with one statement. */
const keysMax = 1000

/**
 * Where no other process delivers, a lane that was worked off is kept for this long, and so are this many of them at most:
 * with some events per second each would cost a lease, a release and another look at the lane, and with a rate limit two
 * more statements (`npm run bench -- --only service --only lane --rate 200`). Others would have to wait for the lane.
 */
const keptMs = 1000
const keptMax = 16

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
  readonly #lanes = new Map<number, LeasedLane>()
  readonly #readFrom: ReadFrom
  readonly #leases: LaneLeases
  readonly #recheck: Recheck
  readonly #rateTransfer: RateTransfer | undefined
  readonly #pollMs: number
  readonly #keptMs: number
  readonly #monotonicNow: () => number
  readonly #failure: RepeatedFailure
  #kept = 0
  /** How often it was said that something is due. */
  #rings = 0
  /** Lanes that are not leased may be due, or become so by now. */
  #mayLease = true
  #leasedAt = Number.NEGATIVE_INFINITY
  #reads = 0
  #isFull = false
  #timer: NodeJS.Timeout | undefined
  #round: Promise<void> | undefined
  #again = false
  #nextRing = Number.POSITIVE_INFINITY
  #stopped = true

  constructor(deps: LanesDeps) {
    this.#deps = deps
    this.#pollMs = deps.pollMs ?? pollMs
    this.#keptMs = deps.keptMs ?? keptMs
    this.#monotonicNow = deps.monotonicNow ?? (() => performance.now())
    this.#failure = new RepeatedFailure(deps.logger, 'could not work on the lanes, again soon', 'error')
    this.#leases = new LaneLeases(deps)
    this.#readFrom = new ReadFrom(deps)
    this.#recheck = new Recheck(deps.connection, deps.statementMsMax, this.#readFrom.of, this.#monotonicNow)
    this.#rateTransfer = deps.rates && new RateTransfer({ ...deps, rates: deps.rates })
  }

  get held(): number {
    return this.#lanes.size
  }

  start(): void {
    this.#stopped = false
    this.#sleep(0)
  }

  /**
   * Something will be due at `dueAt` (Unix milliseconds). A bell only: without it the next look finds it as well.
   *
   * @param subscriptionId in the lane of this one alone
   */
  ring(dueAt: number, subscriptionId?: number): void {
    this.#rings++
    const lane = subscriptionId === undefined ? undefined : this.#lanes.get(subscriptionId)
    if (lane === undefined || lane.isEnding) this.#mayLease = true
    if (this.#stopped || dueAt >= this.#nextRing) return
    const inMs = Math.max(0, dueAt - this.#deps.clock.now())
    if (inMs < this.#pollMs) this.#sleep(inMs)
  }

  /**
   * Takes a delivery whose row was just committed to its lane, if this process has leased it and nothing that is known waits
   * there: a read of the lane would find this row alone, and the next read wait for its settlement. With both for each event
   * a lane cost PostgreSQL twice as much as the hot lane at 200 events/s (`npm run bench -- --only service --only lane
   * --rate 200`).
   *
   * What a read finds of these is passed over. The other way round, a row that was read before its commit was heard of here
   * is in memory still, or its attempt has asked for its content.
   *
   * @returns false when it is to be read
   */
  takeFresh(delivery: Delivery): boolean {
    const { subscriptionId, webhookId, sizeBytes } = delivery
    const { sink, isRecent } = this.#deps
    const lane = this.#lanes.get(subscriptionId)
    const subscription = this.#deps.subscription(subscriptionId)
    if (!lane?.takesFresh || !subscription || !this.#mayTakeFresh(delivery, subscription)) return false
    if (lane.hasRead(webhookId)) return true
    if (!isRecent?.(webhookId)) return false
    if (!sink.reserve(subscriptionId, subscription.tenant, sizeBytes, false)) return false
    lane.foundAt = this.#monotonicNow()
    sink.push(lane.tookFresh(delivery))
    return true
  }

  /** Not where order counts, nor where a pause or a rate keeps it back; of an event for many `isRecent` says too little. */
  #mayTakeFresh({ shared, orderingKey, dueAt }: Delivery, subscription: Subscription): boolean {
    const { membership, rates, clock } = this.#deps
    if (this.#stopped || !membership.isSure || shared !== undefined) return false
    if (subscription.paused || subscription.ordered || subscription.orderingKey !== null) return false
    if (orderingKey !== undefined || dueAt > clock.now()) return false
    return rates === undefined || rates.opensAt(subscription) === 0
  }

  /** Takes back what waits for a subscription that may not be sent to now (paused, closed or deleted), and its lane ends. */
  interrupt(
    subscriptionId: number,
    waiting: readonly Delivery[] = this.#deps.sink.takeWaiting(subscriptionId),
  ): void {
    const lane = this.#lanes.get(subscriptionId)
    if (lane) this.#end(lane, 'close')
    this.#takeBack(waiting)
    this.#rings++
    this.#mayLease = true
    this.#sleep(0)
  }

  /** Takes back what may not be sent for a while. A lane whose rate is used up is kept, and read when there is more. */
  defer(subscriptionId: number, waiting: readonly Delivery[]): void {
    const lane = this.#lanes.get(subscriptionId)
    if (!lane || !this.#rateTransfer?.isUsedUp(subscriptionId)) this.interrupt(subscriptionId, [])
    else lane.exhaust()
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
    await this.#rateTransfer?.leave(this.#lanes.keys())
  }

  /** The owner id has changed: what was leased under the old one is leased by others. */
  forget(): void {
    this.#rings++
    this.#mayLease = true
    for (const lane of this.#lanes.values()) this.#end(lane, 'lose')
  }

  #sleep(ms: number): void {
    if (this.#stopped) return
    if (this.#round) {
      if (ms < this.#pollMs) this.#again = true
      return
    }
    clearTimeout(this.#timer)
    this.#nextRing = this.#deps.clock.now() + ms
    this.#timer = setTimeout(() => {
      this.#again = false
      this.#nextRing = Number.POSITIVE_INFINITY // a bell during the round asks for another one
      this.#round = this.#work()
        .then(
          () => this.#failure.succeeded(),
          error => this.#failure.failed(error),
        )
        .finally(() => {
          this.#round = undefined
          this.#sleep(this.#again ? this.#soonMs : this.#pollMs)
        })
    }, ms)
  }

  async #work(): Promise<void> {
    await this.#recheck.look()
    if (this.#mayLease || this.#monotonicNow() - this.#leasedAt >= this.#pollMs) await this.#lease()
    await this.#rateTransfer?.read()
    await this.#read()
    await this.#letKeysGoOn()
    await this.#release()
  }

  async #lease(): Promise<void> {
    this.#leasedAt = this.#monotonicNow()
    this.#mayLease = true // unless it comes to an end
    const rings = this.#rings
    const taken = () => (this.#stopped ? Number.POSITIVE_INFINITY : this.#lanes.size)
    const moreWait = await this.#leases.lease(taken, lanes => {
      const others = lanes.filter(({ subscriptionId }) => !this.#lanes.has(subscriptionId))
      this.#rateTransfer?.leased(others.map(({ subscriptionId }) => subscriptionId))
      for (const { subscriptionId: id, dueAt } of others) {
        this.#readFrom.leased(id, dueAt)
        const lane = new LeasedLane(id, this.#deps.clock.now(), (delivery, isOver) =>
          this.#left(delivery, isOver),
        )
        this.#lanes.set(id, lane)
      }
    })
    if (!moreWait) this.#mayLease = this.#rings !== rings
    if (!moreWait || this.#stopped) return
    for (const lane of this.#leases.givingWay(this.#lanes.values())) {
      this.#end(lane, 'giveWay')
      for (const delivery of this.#deps.sink.takeWaiting(lane.subscriptionId, 'of lane'))
        this.#left(delivery, false)
    }
  }

  async #read(): Promise<void> {
    const wanting: LeasedLane[] = []
    for (const lane of this.#lanes.values()) {
      if (lane.isEnding) continue
      const subscription = this.#deps.subscription(lane.subscriptionId)
      if (!subscription) await this.#drainDeleted(lane)
      else if (subscription.paused) this.#end(lane, 'close')
      else if (lane.mode === 'reading' && lane.isLow) {
        if (subscription.orderingKey !== null) lane.orderByKeyNext()
        if (lane.mode === 'reading') wanting.push(lane)
      }
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
  async #readSome(lanes: readonly LeasedLane[], share: number): Promise<boolean> {
    const now = this.#deps.clock.now()
    const reads = lanes.map(lane => {
      const { subscriptionId, after, chunk } = lane
      const start = after ?? this.#readFrom.startOf(subscriptionId)
      const limit = Math.min(chunk / 2, share)
      // What is in memory is read again, and is no news.
      if (!lane.keyLines) return { lane, subscriptionId, after: start, limit: limit + lane.freshInMemory }
      return { lane, subscriptionId, after: this.#readFrom.before(start, now), limit: limit + lane.inMemory }
    })
    for (const lane of lanes) {
      lane.rings = this.#rings
      lane.beginRead()
    }
    const rows = await this.#readRows(reads, now)
    this.#reads++
    const byLane = Map.groupBy(rows, row => row.subscriptionId)
    const toPark: DueRow[] = []
    for (const { lane, subscriptionId, after, limit } of reads) {
      const ofLane = byLane.get(subscriptionId) ?? []
      if (!lane.after) this.#firstRead(subscriptionId, after, ofLane[0], now)
      toPark.push(...this.#take(lane, ofLane, limit))
    }
    if (toPark.length > 0) await park(this.#deps.connection, toPark)
    return rows.length === 0 || lanes.some(lane => lane.lastTaken === this.#reads)
  }

  /** Lanes in which rows have keys are read with a statement of their own. */
  async #readRows(
    reads: readonly (LaneRead & { readonly lane: LeasedLane })[],
    now: number,
  ): Promise<readonly (DueRow | KeyedRow)[]> {
    const { connection } = this.#deps
    const keyed = reads.filter(({ lane }) => lane.keyLines !== undefined)
    if (keyed.length === 0) return readDue(connection, reads, now)
    for (const { lane } of keyed) lane.keyLines?.beginRead()
    const rows = await readDueKeyed(connection, keyed, now)
    const plain = reads.filter(({ lane }) => lane.keyLines === undefined)
    return plain.length === 0 ? rows : [...rows, ...(await readDue(connection, plain, now))]
  }

  /** The first read of a pass says from where the next one has to read. */
  #firstRead(subscriptionId: number, start: LanePosition, first: DueRow | undefined, readAt: number): void {
    const isInOrder = this.#readFrom.found(subscriptionId, start, first?.dueAt, readAt)
    if (isInOrder || !first) return
    const { webhookId, dueAt } = first
    this.#deps.logger.warn(
      { subscription: subscriptionId, webhook_id: webhookId, due_at: dueAt },
      'a row came into its lane due in the past, where nobody looked for it: its attempt is late',
    )
  }

  /** @returns those that are to be parked */
  #take(lane: LeasedLane, rows: readonly (DueRow | KeyedRow)[], limit: number): readonly DueRow[] {
    const toPark: DueRow[] = []
    const known = lane.endRead()
    if (lane.isEnding) return toPark // since it was read
    if (rows.length > 0) lane.foundAt = this.#monotonicNow()
    const isAll = rows.length < limit
    if (isAll) lane.foundAll()
    const tenant = this.#deps.subscription(lane.subscriptionId)?.tenant ?? ''
    for (const row of rows) {
      const { orderingKey } = row
      const keyed = 'isBehind' in row ? row : undefined
      if (orderingKey !== null && !keyed) {
        // Its subscription does not order by key any more; what came before that stays in its order.
        lane.orderByKeyNext()
        if (lane.mode === 'reading') this.#again = true
        return toPark
      }
      const what = known.has(row.webhookId) ? 'leave' : keyed ? lane.keyLines?.judge(keyed) : 'take'
      if (what !== 'take') {
        lane.passed(row, what === 'park')
        lane.lastTaken = this.#reads
        if (what === 'park') toPark.push(row)
        continue
      }
      if (!this.#deps.sink.reserve(row.subscriptionId, tenant, row.sizeBytes, false)) {
        lane.goOn()
        return toPark
      }
      const delivery = lane.took(row)
      lane.lastTaken = this.#reads
      if (!keyed || lane.keyLines?.take(delivery, keyed)) this.#deps.sink.push(delivery)
    }
    if (!isAll) {
      lane.setChunk(this.#deps.clock.now())
      if (lane.keyLines) this.#again = true // what is not held makes no room that would ask for more
    }
    return toPark
  }

  /** Makes some of what is parked behind keys due, and sends what has waited for that. */
  async #letKeysGoOn(): Promise<void> {
    const { connection, clock, sink } = this.#deps
    const wishes: KeyWish[] = []
    for (const lane of this.#lanes.values())
      if (lane.isKeyAwaited && lane.keyLines)
        wishes.push(...lane.keyLines.wishes(lane.subscriptionId, keysMax - wishes.length))
    if (wishes.length === 0) return
    const found = await unpark(connection, wishes, clock.now())
    for (const [index, wish] of wishes.entries()) {
      const next = this.#lanes.get(wish.subscriptionId)?.keyLines?.wasUnparked(wish, found[index] ?? 0)
      if (next) sink.push(next)
    }
    this.#again = true
  }

  /** Nothing more is read of a lane, and what it has in memory behind other deliveries of the same key is not held. */
  #end(lane: LeasedLane, how: 'close' | 'giveWay' | 'lose'): void {
    lane[how]()
    for (const delivery of lane.keyLines?.dropWaiting() ?? []) this.#letGo(lane, delivery)
  }

  #letGo(lane: LeasedLane, delivery: Delivery): void {
    this.#deps.sink.release(delivery.subscriptionId, delivery.sizeBytes, false)
    lane.leave(delivery)
  }

  #takeBack(waiting: readonly Delivery[]): void {
    for (const delivery of waiting) {
      if (delivery.lane === null) this.#deps.handBack(delivery)
      else this.#left(delivery, false)
    }
  }

  /** A delivery of a lane has left memory. */
  #left(delivery: Delivery, isOver: boolean): void {
    this.#deps.sink.release(delivery.subscriptionId, delivery.sizeBytes, false)
    const lane = this.#lanes.get(delivery.subscriptionId)
    if (!lane || lane !== delivery.lane) return
    lane.leave(delivery)
    if (lane.keyLines) this.#goOnBehind(lane, delivery, isOver)
    if (delivery.isUnread && !lane.isEnding) return // no pass waits for it
    if (lane.isPassOver || lane.inMemory === 0 || (lane.isLow && lane.mode === 'reading')) this.#soon()
  }

  #goOnBehind(lane: LeasedLane, delivery: Delivery, isOver: boolean): void {
    const { next, dropped = [] } = lane.keyLines?.left(delivery, isOver) ?? {}
    for (const other of dropped) this.#letGo(lane, other)
    if (next) this.#deps.sink.push(next)
    if (lane.isKeyAwaited) this.#soon()
  }

  /** Where there was no room for what is due, each delivery that leaves makes some: not every one is worth a look. */
  get #soonMs(): number {
    return this.#isFull ? fullMs : 0
  }

  #soon(): void {
    if (this.#round || this.#deps.clock.now() + this.#soonMs < this.#nextRing) this.#sleep(this.#soonMs)
  }

  async #release(): Promise<void> {
    const over: LeasedLane[] = []
    const now = this.#deps.clock.now()
    this.#kept = 0
    for (const lane of this.#lanes.values()) {
      if (lane.isReadOn) {
        if (!this.#rateTransfer?.isUsedUp(lane.subscriptionId) && lane.readOn(now)) this.#again = true
        continue
      }
      if (lane.isEnding ? lane.inMemory > 0 || lane.isKeyAwaited : !lane.isPassOver) continue
      if (lane.isEnding) over.push(lane)
      else if (this.#mayKeep(lane)) {
        const isRung = lane.rings !== this.#rings
        lane.beginPass()
        if (isRung) this.#again = true
      } else if (!lane.hasFound && lane.inMemory === 0) over.push(lane)
      else if (!this.#rateTransfer?.isUsedUp(lane.subscriptionId)) {
        lane.beginPass()
        if (!lane.wasInVain) this.#again = true
      }
    }
    // In order of id, as all who lock several lanes do.
    over.sort((one, other) => one.subscriptionId - other.subscriptionId)
    await this.#giveBack(over.filter(({ mode }) => mode !== 'giving way'))
    await this.#giveBack(
      over.filter(({ mode }) => mode === 'giving way'),
      this.#leases.endOfQueue,
    )
  }

  /** Whether a lane is kept that was worked off: it is read again when something rings, and at the next look. */
  #mayKeep(lane: LeasedLane): boolean {
    const { count } = this.#deps.membership.position
    if (count > 1 || this.#kept >= keptMax || lane.isKeyed) return false
    if (this.#monotonicNow() - lane.foundAt >= this.#keptMs) return false
    if (this.#rateTransfer?.isUsedUp(lane.subscriptionId)) return false
    this.#kept++
    return true
  }

  async #giveBack(lanes: readonly LeasedLane[], notBefore?: number): Promise<void> {
    if (lanes.length === 0) return
    for (const lane of lanes) lane.givenBackNow()
    const ids = lanes.map(lane => lane.subscriptionId)
    await this.#rateTransfer?.keep(ids)
    const { connection, membership, logger } = this.#deps
    const released = await releaseLanes(connection, membership.id, ids, notBefore, this.#readFrom.of)
    // Who is not the owner changes nothing. But what was read of these lanes others may have sent, too.
    if (released < lanes.filter(({ mode }) => mode !== 'lost').length) {
      logger.warn(
        { lanes: ids.length, released },
        'lanes to be given back were not leased to this process any more',
      )
    }
    for (const id of ids) this.#lanes.delete(id)
    this.#recheck.add(ids)
    this.#mayLease = true
  }

  /** The subscription is gone, or not in memory: what is owed to it ends in the log, and then its lane goes too. */
  async #drainDeleted(lane: LeasedLane): Promise<void> {
    const state = await drainDeleted(this.#deps, lane)
    if (state === 'exists' && !this.#deps.subscription(lane.subscriptionId)) this.#end(lane, 'close')
    if (state === 'draining') this.#again = true
    if (state !== 'drained') return
    this.#lanes.delete(lane.subscriptionId)
    this.#recheck.add([lane.subscriptionId]) // an event may have been accepted for it as it was deleted
  }
}

/** What the lanes need of the dispatcher. */
export interface LaneSink {
  reserve(subscriptionId: number, tenant: string, sizeBytes: number, fresh: boolean): boolean
  release(subscriptionId: number, sizeBytes: number, fresh: boolean): void
  push(delivery: Delivery): void
  /** Takes out what waits for a subscription and has not begun; or only what came from its lane. */
  takeWaiting(subscriptionId: number, only?: 'of lane'): readonly Delivery[]
}
