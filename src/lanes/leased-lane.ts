import type { Delivery, LaneRun } from '../model/delivery.ts'
import type { Uuid } from '../platform/id.ts'
import { uuidTime } from '../platform/id.ts'
import type { DueRow, LanePosition } from './store.ts'

/**
 * Rows of one lane that are held in memory: 100 at first, as most receivers are no quicker than that; up to 400 of one
 * that comes back for the next within a quarter of a second. A lane is worked off by one process, and each read waits
 * for the settlement of what was read before. `npm run bench -- --only service --in-flight 10` delivered 7,325 and
 * 7,573/s with 100 for all, 11,548 and 10,506/s with this; 1,000 for all, tried once by changing the line, 9,129/s.
 */
const chunkLeast = 100
const chunkMost = 400
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
  #mode: LaneMode = 'reading'
  #after: LanePosition | undefined
  #inMemory = 0
  #found = 0
  #chunk = chunkLeast
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

  /** Rows that were taken and are not settled yet. */
  get inMemory(): number {
    return this.#inMemory
  }

  /** Rows that may be in memory at a time. */
  get chunk(): number {
    return this.#chunk
  }

  /** Half of what may be in memory has left it: the next rows are read. */
  get isLow(): boolean {
    return this.#inMemory <= this.#chunk / 2
  }

  /** The pass is over: all that it found is settled. */
  get isPassOver(): boolean {
    return this.#mode === 'exhausted' && this.#inMemory === 0
  }

  /** The pass has found rows. After one that found none the lane is given back. */
  get hasFound(): boolean {
    return this.#found > 0
  }

  /** A row was read, and there is room for it. */
  took(row: DueRow): void {
    this.#after = { dueAt: row.dueAt, webhookId: row.webhookId }
    this.#inMemory++
    this.#found++
  }

  /** A delivery has left memory. */
  leave(): void {
    this.#inMemory--
  }

  /** A read found all that is due now; or nothing more may be sent for a while. */
  exhaust(): void {
    if (!this.isEnding) this.#mode = 'exhausted'
  }

  /** A read found more than there was room for: it goes on behind the last row that was taken. */
  goOn(): void {
    if (!this.isEnding) this.#mode = 'reading'
  }

  /** A read found more than may be in memory, and that much was taken: how much it may be from now on. */
  setChunk(now: number): void {
    const sinceMs = now - this.#fullReadAt
    this.#fullReadAt = now
    if (sinceMs < quickMs) this.#chunk = Math.min(chunkMost, this.#chunk * 2)
    else if (sinceMs > slowMs) this.#chunk = Math.max(chunkLeast, this.#chunk / 2)
  }

  /** One more pass from the beginning: rows may have become due behind the position meanwhile. */
  beginPass(): void {
    if (!this.isPassOver) {
      throw new Error(`a pass begins when the one before is over; ${this.#mode}, ${this.#inMemory} in memory`)
    }
    this.#mode = 'reading'
    this.#after = undefined
    this.#found = 0
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

/** A row of a lane as the dispatcher takes it. */
export function asDelivery(row: DueRow, lane: LaneRun): Delivery {
  return {
    webhookId: row.webhookId,
    subscriptionId: row.subscriptionId,
    attempt: row.attempt,
    attemptsBefore: row.attempt - (row.replayFrom ?? 1),
    since: row.replayedAt ?? uuidTime(row.webhookId as Uuid),
    ...(row.trigger && { trigger: row.trigger }),
    sizeBytes: row.sizeBytes,
    dueAt: row.dueAt,
    content: null,
    lane,
  }
}
