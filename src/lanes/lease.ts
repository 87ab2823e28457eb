import type { Member } from '../cluster/membership.ts'
import type { Clock } from '../platform/clock.ts'
import type { Queryable } from '../platform/postgres.ts'
import type { LeasedLane } from './leased-lane.ts'
import { type Lease, leaseLanes, leaseNewLanes, readLeased } from './store.ts'

/** Lanes leased at a time, at most. */
export const leasesMax = 4096

/** Of these, kept for lanes that have just become due. */
const leasesForNew = leasesMax / 8

/** Leased with one statement, at most: one commit each, and no lane is locked for longer than that takes. */
const statementLanesMax = 256

/** A lane that became due within this has just become due. */
const newMs = 5000

/** When more lanes are due than may be leased: how long one is kept at least, and how many give way at a time at most. */
const leasedMsMin = 500
const givingWayMax = leasesMax / 8

export interface LaneLeasesDeps {
  readonly connection: Queryable
  readonly clock: Clock
  readonly membership: Pick<Member, 'id'>
}

/**
 * Which lanes this process works on. Usually all that have something due. When more are due than may be leased, those
 * that have waited longest come first, a part of the leases is kept for those that have only just become due, and those
 * that were leased longest give way and wait again behind the rest: so each of thousands of lanes gets its turn, and a
 * lane that becomes due meanwhile waits for none of them.
 */
export class LaneLeases {
  readonly #deps: LaneLeasesDeps
  /** A lease was asked for, and its answer not heard. */
  #isUnsure = false

  constructor(deps: LaneLeasesDeps) {
    this.#deps = deps
  }

  /**
   * Leases lanes until there are `leasesMax`, and hands them over. After a lease whose answer was lost, all that are
   * leased to this process are handed over: those it had not heard of would be worked on by nobody while it lives.
   *
   * @param taken how many are leased; asked anew before each statement
   * @param take may be given lanes that it has
   * @returns whether more lanes are due
   */
  async lease(taken: () => number, take: (lanes: readonly Lease[]) => void): Promise<boolean> {
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
    take: (lanes: readonly Lease[]) => void,
  ): Promise<boolean> {
    const { connection, clock } = this.#deps
    const leaseUpTo = async (
      most: number,
      some: (now: number, limit: number) => Promise<readonly Lease[]>,
    ) => {
      while (taken() < most) {
        const limit = Math.min(statementLanesMax, most - taken())
        const lanes = await some(clock.now(), limit)
        // This process goes on under another id: what was leased under the one before is given to others.
        if (this.#deps.membership.id !== owner) return true
        take(lanes)
        if (lanes.length < limit) return true
      }
      return false
    }
    const all = await leaseUpTo(leasesMax - leasesForNew, (now, limit) =>
      leaseLanes(connection, owner, now, limit),
    )
    if (all) return false
    await leaseUpTo(leasesMax, (now, limit) => leaseNewLanes(connection, owner, now - newMs, now, limit))
    return true
  }

  /** Those of the leased lanes (longest leased first) that give way to lanes that wait for a lease. */
  givingWay<Lane extends Pick<LeasedLane, 'leasedSince' | 'isEnding'>>(
    leased: Iterable<Lane>,
  ): readonly Lane[] {
    const before = this.#deps.clock.now() - leasedMsMin
    const lanes: Lane[] = []
    for (const lane of leased) {
      if (lanes.length === givingWayMax || lane.leasedSince > before) break
      if (!lane.isEnding) lanes.push(lane)
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
