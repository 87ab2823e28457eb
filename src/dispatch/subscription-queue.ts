import type { Delivery } from '../model/delivery.ts'
import { Fifo } from '../platform/fifo.ts'
import { emptyHolding, type Holding } from './memory-budget.ts'

/** All of one subscription that is in memory. */
export interface Line {
  readonly subscriptionId: number
  readonly tenant: string
  readonly held: Holding
  /** What came straight from ingest, and what its lane has brought. */
  readonly fresh: Turn
  readonly ofLane: Turn
  inFlight: number
  /** How many may be in flight, see `firstInFlight`. */
  allowed: number
  /** The last one that was started was fresh: the next one is of the lane, when both wait. */
  freshWasLast: boolean
}

/** What waits of one way of one line, and takes turns with the others. */
export interface Turn {
  readonly tenant: string
  readonly line: Line
  readonly waiting: Fifo<Delivery>
  /** In a ring, or parked: until its gate opens, or until it is less crowded. */
  queued: boolean
}

/** @param allowed how many may be in flight at first; unlimited when not given */
export function newLine(
  subscriptionId: number,
  tenant: string,
  allowed: number = Number.POSITIVE_INFINITY,
): Line {
  const turn = () => ({ tenant, line, waiting: new Fifo<Delivery>(), queued: false })
  const line = {
    subscriptionId,
    tenant,
    held: emptyHolding(),
    inFlight: 0,
    allowed,
    freshWasLast: false,
  } as Line // its two turns point back to it
  return Object.assign(line, { fresh: turn(), ofLane: turn() })
}
