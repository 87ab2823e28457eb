import type { Delivery, LaneRun } from '../model/delivery.ts'
import { type Uuid, uuidTime } from '../platform/id.ts'
import { type Listed, UnorderedList } from '../platform/unordered-list.ts'
import { KeyLines } from './key-lines.ts'
import type { DueRow, LanePosition } from './store.ts'

/**
 * Rows of one lane that are held in memory: 100 at first, as most receivers are no quicker than that; up to 400 of one
 * that comes back for the next within a quarter of a second. A lane is worked off by one process, and each read waits
 * for the settlement of what was read before. `npm run bench -- --only service --in-flight 10` delivered 7,325 and
 * 7,573/s with 100 for all, 11,548 and 10,506/s with this; 1,000 for all, tried once by changing the line, 9,129/s.
 */
const chunkLeast = 100
const chunkMost = 400
/** Of a lane with an order by key, of which one of each key is sent at a time. */
const chunkKeyed = 800
/** Deliveries in memory that came to it as they were accepted. At full load a receiver on the same machine needs some 300. */
const freshMost = 800
/** A lane with an order by key is read from its beginning this often while deliveries of it are in memory. */
const passMs = 250
const quickMs = 250
const slowMs = 1000

/**
 * What is done with a leased lane:
 * - `reading`: there may be more due rows than were read.
 * - `exhausted`: the last read found all that was due then. When these rows have left memory, the pass is over.
 * - `closing`: nothing more is read. It is given back when its last delivery has left memory.
 * - `giving way`: the same, and it is due again behind the lanes that wait.
 * - `lost`: it was leased under an earlier id of this process, and is others' now. Ends as `closing` does, as this process
 *   may have leased it again under its new id.
 */
export type LaneMode = 'reading' | 'exhausted' | 'closing' | 'giving way' | 'lost'

/** A lane that this process has leased: how far it was read, and what of it is in memory. */
export class LeasedLane implements LaneRun {
  readonly subscriptionId: number
  /** Unix milliseconds. */
  readonly leasedSince: number
  /** Tells whoever works on the lanes that a delivery has left memory. */
  readonly left: LaneRun['left']
  /** When a row of it was last taken, as a count of reads. */
  lastTaken = 0
  /** When a read last found rows (monotonic), and how often something had rung before the last read. */
  foundAt = Number.NEGATIVE_INFINITY
  rings = 0
  #mode: LaneMode = 'reading'
  #after: LanePosition | undefined
  readonly #ofPass = new UnorderedList<LaneDelivery>()
  /** They came as they were accepted: no read has taken them, and no pass waits for them. */
  readonly #fresh = new UnorderedList<LaneDelivery>()
  /** Of these, what has left memory since the read began that is under way: it may find them still. */
  #freshGone: Uuid[] = []
  #isBeingRead = false
  /** The last read has found all that was due. */
  #isWorkedOff = false
  #found = 0
  #chunk = chunkLeast
  #keyLines: KeyLines | undefined
  #isKeyedNext = false
  /** When the pass began, and whether it has read all that was due since. Of lanes with an order by key. */
  #passBegan = Number.NEGATIVE_INFINITY
  #isWhole = true
  #wasInVain = false
  #fullReadAt = Number.NEGATIVE_INFINITY

  constructor(subscriptionId: number, leasedSince: number, left: LaneRun['left']) {
    this.subscriptionId = subscriptionId
    this.leasedSince = leasedSince
    this.left = left
  }

  get mode(): LaneMode {
    return this.#mode
  }

  /** Nothing more is read of it. */
  get isEnding(): boolean {
    return this.#mode === 'closing' || this.#mode === 'giving way' || this.#mode === 'lost'
  }

  /** Rows up to here were read in this pass; undefined: none yet, and the next read begins where `ReadFrom` says. */
  get after(): LanePosition | undefined {
    return this.#after
  }

  /** Deliveries that were taken and are not settled yet. */
  get inMemory(): number {
    return this.#ofPass.size + this.#fresh.size
  }

  /** Those of them that no read has taken. */
  get freshInMemory(): number {
    return this.#fresh.size
  }

  /** Rows that may be in memory at a time. */
  get chunk(): number {
    return this.#chunk
  }

  /** What is known of its keys; undefined while no row of it has one. */
  get keyLines(): KeyLines | undefined {
    return this.#keyLines
  }

  /** It is read with its keys, now or from the next pass on. */
  get isKeyed(): boolean {
    return this.#keyLines !== undefined || this.#isKeyedNext
  }

  /** It is read with its keys, from when nothing of it is in memory: what is held by then is not known by its keys. */
  orderByKeyNext(): void {
    if (this.#keyLines) return
    this.#isKeyedNext = true
    if (this.inMemory === 0) this.#startOver()
    else this.exhaust()
  }

  /** Half of what may be in memory has left it: the next rows are read. */
  get isLow(): boolean {
    return this.#ofPass.size <= this.#chunk / 2
  }

  /** The pass is over: all that it found is settled. Where keys count nothing else is in memory either. */
  get isPassOver(): boolean {
    const inMemory = this.isKeyed ? this.inMemory : this.#ofPass.size
    return this.#mode === 'exhausted' && inMemory === 0 && !this.isKeyAwaited
  }

  /** Nothing that is known waits in it, so that what comes in now may be sent at once. */
  get takesFresh(): boolean {
    return this.#isWorkedOff && !this.isEnding && !this.isKeyed && this.#fresh.size < freshMost
  }

  /** Something of a key has to be made due before the lane may be given back. */
  get isKeyAwaited(): boolean {
    return this.#mode !== 'lost' && this.#keyLines?.isAnyAwaited === true
  }

  /** It has an order by key, and the pass has found all that was due, of which some is in memory: `readOn` follows. */
  get isReadOn(): boolean {
    if (!this.#keyLines || this.#mode !== 'exhausted') return false
    return this.inMemory > 0 || this.isKeyAwaited
  }

  /** The pass before this one has found nothing: the next one can wait. */
  get wasInVain(): boolean {
    return this.#wasInVain
  }

  /** The pass has found rows. After one that found none the lane is given back. */
  get hasFound(): boolean {
    return this.#found > 0 || this.#isKeyedNext || !this.#isWhole || this.#keyLines?.needsPass === true
  }

  /** A row was read, and there is room for it. */
  took(row: DueRow): Delivery {
    this.passed(row, true)
    const delivery: LaneDelivery = { ...asDelivery(row, this), listIndex: -1 }
    this.#ofPass.add(delivery)
    return delivery
  }

  /**
   * One that was just accepted is taken without a read; to be asked first: `takesFresh`, and `hasRead`. Its content is
   * loaded as that of the others.
   */
  tookFresh(fresh: Delivery): Delivery {
    const delivery: LaneDelivery = { ...fresh, content: null, lane: this, isUnread: true, listIndex: -1 }
    this.#fresh.add(delivery)
    return delivery
  }

  /** A read has taken it, and it is in memory. */
  hasRead(webhookId: Uuid): boolean {
    return this.#ofPass.some(delivery => delivery.webhookId === webhookId)
  }

  /** A read begins. */
  beginRead(): void {
    this.#isBeingRead = true
    this.#freshGone = []
  }

  /**
   * A read has ended.
   *
   * @returns what it may have found that was taken without it
   */
  endRead(): ReadonlySet<Uuid> {
    this.#isBeingRead = false
    if (this.#fresh.size === 0 && this.#freshGone.length === 0) return none
    return new Set([...this.#fresh.toArray().map(({ webhookId }) => webhookId), ...this.#freshGone])
  }

  /** A row was read, and is not held: the next read begins behind it. @param isNews it was not known before */
  passed(row: DueRow, isNews: boolean): void {
    this.#after = { dueAt: row.dueAt, webhookId: row.webhookId }
    if (isNews) this.#found++
  }

  /** A delivery has left memory. */
  leave(delivery: Delivery): void {
    if (!isOfLane(delivery)) return
    if (delivery.isUnread) {
      this.#fresh.remove(delivery)
      if (this.#isBeingRead) this.#freshGone.push(delivery.webhookId)
    } else this.#ofPass.remove(delivery)
  }

  /** A read found all that is due now. */
  foundAll(): void {
    this.#isWorkedOff = true
    this.exhaust()
  }

  /** From now on another process may lease it, and read what comes in: nothing of that may be sent from here without a read. */
  givenBackNow(): void {
    this.#isWorkedOff = false
  }

  /** Nothing more is read in this pass: all was found, or nothing more may be sent for a while. */
  exhaust(): void {
    if (!this.isEnding) this.#mode = 'exhausted'
  }

  /** A read found more than there was room for: it goes on behind the last row that was taken. */
  goOn(): void {
    this.#isWorkedOff = false
    if (!this.isEnding) this.#mode = 'reading'
  }

  /** A read found more than may be in memory, and that much was taken: how much it may be from now on. */
  setChunk(now: number): void {
    this.#isWorkedOff = false
    if (this.#keyLines) return
    const sinceMs = now - this.#fullReadAt
    this.#fullReadAt = now
    if (sinceMs < quickMs) this.#chunk = Math.min(chunkMost, this.#chunk * 2)
    else if (sinceMs > slowMs) this.#chunk = Math.max(chunkLeast, this.#chunk / 2)
  }

  /** One more pass from the beginning: rows may have become due behind the position meanwhile. */
  beginPass(): void {
    if (!this.isPassOver) {
      throw new Error(`a pass begins when the one before is over; ${this.#mode}, ${this.inMemory} in memory`)
    }
    this.#startOver()
  }

  /**
   * A lane with an order by key is read on while deliveries of it are in memory, so that a key that takes long keeps no
   * others waiting: behind the last row, as what comes in is due later; from its beginning when something was passed over,
   * and from time to time. Rows that are in memory are passed over then.
   *
   * @returns whether there may be more at once
   */
  readOn(now: number): boolean {
    const { needsPass = false } = this.#keyLines ?? {}
    const isMore = this.#found > 0 || (needsPass && !this.#wasInVain)
    if (needsPass || now - this.#passBegan >= passMs) {
      this.#startOver()
      this.#passBegan = now
    } else {
      this.#mode = 'reading'
      this.#wasInVain = this.#found === 0
      this.#found = 0
      this.#isWhole = false
    }
    return isMore
  }

  #startOver(): void {
    this.#mode = 'reading'
    this.#wasInVain = this.#found === 0
    this.#after = undefined
    this.#found = 0
    this.#isWhole = true
    if (this.#isKeyedNext) {
      this.#isKeyedNext = false
      this.#keyLines = new KeyLines()
      this.#chunk = chunkKeyed
    }
    this.#keyLines?.beginPass()
  }

  /** Reads nothing more. One that gives way does so still. */
  close(): void {
    if (!this.isEnding) this.#mode = 'closing'
  }

  /** Reads nothing more, to make room for others. */
  giveWay(): void {
    if (!this.isEnding) this.#mode = 'giving way'
  }

  /** The owner id has changed: what was leased under the old one is leased by others. */
  lose(): void {
    this.#mode = 'lost'
  }
}

/** A delivery that a lane holds. */
interface LaneDelivery extends Delivery, Listed {}

function isOfLane(delivery: Delivery): delivery is LaneDelivery {
  return 'listIndex' in delivery
}

const none: ReadonlySet<Uuid> = new Set()

/** A row of a lane as the dispatcher takes it. */
export function asDelivery(row: DueRow, lane: LaneRun): Delivery {
  return {
    webhookId: row.webhookId,
    subscriptionId: row.subscriptionId,
    attempt: row.attempt,
    attemptsBefore: row.attempt - (row.replayFrom ?? 1),
    since: row.replayedAt ?? uuidTime(row.webhookId),
    ...(row.trigger && { trigger: row.trigger }),
    sizeBytes: row.sizeBytes,
    ...(row.orderingKey !== null && { orderingKey: row.orderingKey }),
    dueAt: row.dueAt,
    content: null,
    lane,
  }
}
