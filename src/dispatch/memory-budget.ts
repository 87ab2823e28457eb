import type { SharedPayload } from '../model/delivery.ts'

export interface MemoryLimits {
  /** Deliveries held in memory (waiting, in flight or being settled): per subscription, and in all. */
  readonly heldPerSubscription: number
  readonly heldInAll: number
  /** Payload bytes of the deliveries held. */
  readonly heldBytes: number
}

/** What is held of one kind: straight from ingest, or from lanes. */
interface Held {
  count: number
  bytes: number
}

/** What one subscription holds. */
export interface HeldMemory {
  readonly fresh: Held
  readonly ofLane: Held
}

export function emptyHeldMemory(): HeldMemory {
  return { fresh: { count: 0, bytes: 0 }, ofLane: { count: 0, bytes: 0 } }
}

export function heldBy({ fresh, ofLane }: HeldMemory): number {
  return fresh.count + ofLane.count
}

/**
 * The part of memory and of slots that deliveries from lanes (retries, replays, overflow) may take. The rest is for what
 * comes straight from ingest: a fresh event finds room and a slot, however much is owed.
 */
export const lanePart = 0.75

/**
 * A subscription may hold `heldLeast` deliveries of each kind as long as there is any room; beyond that only a part of
 * what is free. For lanes, that part is taken of `beyondLeast` of what lanes may use. The rest is kept for the first few
 * deliveries of lanes that come later: as many as can be leased at a time (4,096).
 */
const heldLeast = 3
const beyondLeast = 0.5

/**
 * The deliveries of one event may take this part of what is free, in number: a few events for thousands of subscriptions
 * leave room for those that come after them.
 */
const fanOutPart = 1 / 4

/**
 * The memory for deliveries, and who may have how much of it. One subscription gets at most a quarter of what is free,
 * in deliveries and in bytes: a few slow receivers never take all of it, and those that come later still find some. What
 * is fresh gets half of that, so that the lane of the same subscription gets some too.
 */
export class MemoryBudget {
  readonly #limits: MemoryLimits
  readonly #all = emptyHeldMemory()

  constructor(limits: MemoryLimits) {
    this.#limits = limits
  }

  get held(): number {
    return heldBy(this.#all)
  }

  get heldBytes(): number {
    return this.#all.fresh.bytes + this.#all.ofLane.bytes
  }

  /**
   * Whether there is room for one more. What is larger than the whole budget is let in when nothing else is held, so
   * that it is late rather than never; and whoever holds nothing may have one as long as it fits.
   *
   * @param fresh straight from ingest, not from a lane
   * @param shared by several deliveries: its bytes count once in all, and in full for each subscription
   */
  has(holding: HeldMemory | undefined, sizeBytes: number, fresh: boolean, shared?: SharedPayload): boolean {
    const { heldInAll, heldBytes, heldPerSubscription } = this.#limits
    if (this.held >= heldInAll) return false
    const newBytes = shared && shared.holders > 0 ? 0 : sizeBytes
    if (this.held > 0 && this.heldBytes + newBytes > heldBytes) return false
    const { count, bytes } = fresh ? { count: this.held, bytes: this.heldBytes } : this.#all.ofLane
    const free = heldInAll * (fresh ? 1 : lanePart) - count
    const freeBytes = heldBytes * (fresh ? 1 : lanePart) - bytes
    if (count > 0 && (free <= 0 || freeBytes < newBytes)) return false
    if (shared && !hasShare(shared.holders, free)) return false
    if (holding === undefined) return true
    if (heldBy(holding) >= heldPerSubscription) return false
    const own = fresh ? holding.fresh : holding.ofLane
    if (own.count >= (fresh ? heldPerSubscription / 2 : heldPerSubscription)) return false
    if (own.count < heldLeast) return true
    const part = fresh ? 1 / 8 : 1 / 4
    const kept = fresh ? 0 : lanePart * beyondLeast
    if (own.count >= (free - heldInAll * kept) * part) return false
    return own.bytes + sizeBytes <= (freeBytes - heldBytes * kept) * part
  }

  take(holding: HeldMemory, sizeBytes: number, fresh: boolean, shared?: SharedPayload): void {
    change(fresh ? holding.fresh : holding.ofLane, 1, sizeBytes)
    const isCounted = shared !== undefined && shared.holders++ > 0
    change(fresh ? this.#all.fresh : this.#all.ofLane, 1, isCounted ? 0 : sizeBytes)
  }

  giveBack(holding: HeldMemory | undefined, sizeBytes: number, fresh: boolean, shared?: SharedPayload): void {
    if (holding) change(fresh ? holding.fresh : holding.ofLane, -1, -sizeBytes)
    const isStillHeld = shared !== undefined && --shared.holders > 0
    change(fresh ? this.#all.fresh : this.#all.ofLane, -1, isStillHeld ? 0 : -sizeBytes)
  }
}

/** Whether an event of which this many deliveries are held may have one more, while this many are free. */
function hasShare(holders: number, free: number): boolean {
  return holders < heldLeast || holders < (free + holders) * fanOutPart
}

function change(held: Held, count: number, bytes: number): void {
  held.count += count
  held.bytes += bytes
}
