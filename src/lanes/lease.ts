import type { Member } from '../cluster/membership.ts'
import type { Clock } from '../platform/clock.ts'
import type { Queryable } from '../platform/postgres.ts'
import { type LeasedLane, leaseLanes, leaseNewLanes, readLeased } from './store.ts'

/** Lanes held at a time. */
export const placesMax = 4096

/** So many of the places are only for lanes that have just become due. */
const placesForNew = placesMax / 8

/** Leased with one statement: one commit each, and no lane is locked for longer than that takes. */
const leaseMax = 256

/** A lane that became due within this has just become due. */
const newMs = 5000

/** So long a lane is held at least, and so many give way at a time, when more lanes are due than there are places. */
const heldMsMin = 500
const givingWayMax = placesMax / 8

export interface LaneLeasesDeps {
  readonly connection: Queryable
  readonly clock: Clock
  readonly membership: Pick<Member, 'id'>
}

/** A lane that has got a place. */
export interface Placed {
  readonly subscriptionId: number
  /** Since when it was due (Unix milliseconds); undefined when that was not heard. */
  readonly dueAt?: number
}

/** What has a place, for as long as it works off what is due. */
export interface Tenure {
  /** Unix milliseconds since when it has its place. */
  readonly heldSince: number
  readonly closing: boolean
}

/**
 * Which lanes have a place in this process. Usually all that have something due. When more are due than there are
 * places, those that have waited longest come first, a part of the places is kept for those that have only just become
 * due, and those that were held longest give way and queue up again behind the rest: so a backlog of thousands of lanes
 * goes round, and a lane that becomes due meanwhile waits for none of it.
 */
export class LaneLeases {
  readonly #deps: LaneLeasesDeps
  /** A lease was asked for, and its answer not heard. */
  #isUnsure = false

  constructor(deps: LaneLeasesDeps) {
    this.#deps = deps
  }

  /**
   * Leases lanes as long as there are places, and hands them over. After a lease whose answer was lost, all that
   * are leased to this process are handed over: those it had not heard of would be worked on by nobody while it lives.
   *
   * @param taken how many places are taken; asked anew before each statement
   * @param take may be given lanes that it has
   * @returns whether lanes are due that found no place
   */
  async lease(taken: () => number, take: (lanes: readonly Placed[]) => void): Promise<boolean> {
    const owner = this.#deps.membership.id
    if (this.#isUnsure) {
      const ids = await readLeased(this.#deps.connection, owner)
      if (this.#deps.membership.id !== owner) return false
      take(ids.map(subscriptionId => ({ subscriptionId })))
    }
    this.#isUnsure = true
    const moreWait = await this.#leaseDue(owner, taken, take)
    this.#isUnsure = false
    return moreWait
  }

  async #leaseDue(
    owner: number,
    taken: () => number,
    take: (lanes: readonly Placed[]) => void,
  ): Promise<boolean> {
    const { connection, clock } = this.#deps
    const leaseUpTo = async (
      places: number,
      some: (now: number, limit: number) => Promise<readonly LeasedLane[]>,
    ) => {
      while (taken() < places) {
        const limit = Math.min(leaseMax, places - taken())
        const lanes = await some(clock.now(), limit)
        // This process goes on under another id: what was leased under the one before is given to others.
        if (this.#deps.membership.id !== owner) return true
        take(lanes)
        if (lanes.length < limit) return true
      }
      return false
    }
    const all = await leaseUpTo(placesMax - placesForNew, (now, limit) =>
      leaseLanes(connection, owner, now, limit),
    )
    if (all) return false
    await leaseUpTo(placesMax, (now, limit) => leaseNewLanes(connection, owner, now - newMs, now, limit))
    return true
  }

  /** Those of the held lanes (longest held first) that give way to lanes without a place. */
  givingWay<HeldLane extends Tenure>(held: Iterable<HeldLane>): readonly HeldLane[] {
    const before = this.#deps.clock.now() - heldMsMin
    const lanes: HeldLane[] = []
    for (const lane of held) {
      if (lanes.length === givingWayMax || lane.heldSince > before) break
      if (!lane.closing) lanes.push(lane)
    }
    return lanes
  }

  /**
   * The time from which a lane that gives way is due again: behind all that have waited for longer, but not among those
   * that have just become due.
   */
  get endOfQueue(): number {
    return this.#deps.clock.now() - newMs
  }
}
