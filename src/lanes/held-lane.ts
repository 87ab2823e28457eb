import type { Delivery, LaneRun } from '../model/delivery.ts'
import type { Uuid } from '../platform/id.ts'
import { uuidTime } from '../platform/id.ts'
import type { DueRow, LanePosition } from './store.ts'

/**
 * Rows of one lane held at a time: few, as most receivers are no quicker than that; up to four times as many of one that
 * comes back for the next within a quarter of a second. A lane is worked off by one process, and each read waits for the
 * settlement of what was read before. `npm run bench -- --only service --in-flight 10` delivered 7,325 and 7,573/s with
 * 100 for all, 11,548 and 10,506/s with this; 1,000 for all, tried once by changing the line, 9,129/s.
 */
const chunkLeast = 100
const chunkMost = 400
const quickMs = 250
const slowMs = 1000

/** A lane that this process has leased. */
export interface HeldLane extends LaneRun {
  readonly subscriptionId: number
  /** Rows up to here are read in this pass; undefined: none yet, and the next read begins where `ReadFrom` says. */
  after: LanePosition | undefined
  /** Rows pushed and not settled yet. */
  inMemory: number
  /** So many of its rows are held at a time. */
  chunk: number
  /** When more than it could take was last found (Unix milliseconds). */
  readAt: number
  /** The last read of this pass found fewer rows than it could take. */
  exhausted: boolean
  /** Rows found in this pass; a whole pass without any ends the lease. */
  found: number
  /** When a row of it was last taken, as a count of reads. */
  lastTaken: number
  readonly heldSince: number
  /** No more is read, and the lane is released when its last delivery has left. */
  closing: boolean
  /** It makes room for others, and queues up behind them. */
  givesWay: boolean
}

export function newLane(subscriptionId: number, heldSince: number, left: LaneRun['left']): HeldLane {
  return {
    subscriptionId,
    after: undefined,
    inMemory: 0,
    chunk: chunkLeast,
    readAt: Number.NEGATIVE_INFINITY,
    exhausted: false,
    found: 0,
    lastTaken: 0,
    heldSince,
    closing: false,
    givesWay: false,
    left,
  }
}

/** A read found more than the lane may hold, and all that it may was taken: how many it may hold from now on. */
export function setChunk(lane: HeldLane, now: number): void {
  const sinceMs = now - lane.readAt
  lane.readAt = now
  if (sinceMs < quickMs) lane.chunk = Math.min(chunkMost, lane.chunk * 2)
  else if (sinceMs > slowMs) lane.chunk = Math.max(chunkLeast, lane.chunk / 2)
}

/** Half of what it may hold has left memory: the next rows are read. */
export function isLow({ inMemory, chunk }: HeldLane): boolean {
  return inMemory <= chunk / 2
}

/** A row of a lane as the dispatcher takes it. */
export function asDelivery(row: DueRow, lane: LaneRun): Delivery {
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
