import type { Uuid } from '../platform/id.ts'
import { uuidTime } from '../platform/id.ts'
import type { Delivery, LaneRun } from './delivery.ts'
import type { DueRow, LanePosition } from './store.ts'

/** A lane that this process has leased. */
export interface Lane extends LaneRun {
  readonly subscriptionId: number
  /** Rows up to here are read in this pass; undefined: none yet, and the next read begins where `LaneMarks` says. */
  after: LanePosition | undefined
  /** Rows pushed and not settled yet. */
  inMemory: number
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

export function newLane(subscriptionId: number, heldSince: number, left: LaneRun['left']): Lane {
  return {
    subscriptionId,
    after: undefined,
    inMemory: 0,
    exhausted: false,
    found: 0,
    lastTaken: 0,
    heldSince,
    closing: false,
    givesWay: false,
    left,
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
    sizeBytes: row.sizeBytes,
    dueAt: row.dueAt,
    content: null,
    lane,
  }
}
