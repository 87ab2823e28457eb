import type { Clock } from '../platform/clock.ts'
import { uuidLowerBound } from '../platform/id.ts'
import type { LanePosition } from './store.ts'

/** Lanes remembered, those used longest ago forgotten first; a lane that is not is read from its very beginning. */
const lanesMax = 50_000

/** Whatever is remembered, a pass starts at the very beginning again after this time, or up to half of it sooner. */
const wholeMs = 60_000

/** What an inserter may need besides its statement: to open a connection; and how far two processes' clocks differ. */
const slackMs = 5000

export interface ReadFromDeps {
  readonly clock: Clock
  /** No statement of an inserter takes longer. */
  readonly statementMsMax: number
  /** Milliseconds that never jump; replaced in tests. */
  readonly monotonicNow?: () => number
}

interface Mark {
  readonly dueAt: number
  /** When the read began that showed it. */
  readonly readAt: number
  /** When the lane was last read from its very beginning, monotonic. */
  readonly wholeAt: number
}

/**
 * Before which time nothing waits in a lane, as its last pass has seen it: the next pass starts there, and does not read
 * over the dead rows of what was settled before. While a transaction is open somewhere for which PostgreSQL must keep
 * them, these are all that went through the lane since. With 110,000 dead rows a read of the empty lane touched 1,811 pages
 * from its beginning and 33 from a mark ten seconds back (by EXPLAIN, once by hand); `bench:growth --only
 * held-transaction --lane` shows what that comes to.
 *
 * A mark stays true whoever works on the lane after this process, for a row only ever enters a lane due at that moment
 * or later. Its commit may come a while after that moment, so a mark is older than the read that showed it by the
 * longest such while. Should a row come in behind a mark all the same, as when the clocks of two processes are apart,
 * then its lane usually knows: a lane that became due before its mark is read from its beginning, and `repair` makes
 * each such lane due within a minute. And each lane is read from its beginning once a minute, if it is read at all; a
 * row that only this finds is told of (`found`).
 */
export class ReadFrom {
  readonly #clock: Clock
  readonly #marginMs: number
  readonly #monotonicNow: () => number
  readonly #marks = new Map<number, Mark>()

  constructor({ clock, statementMsMax, monotonicNow = () => performance.now() }: ReadFromDeps) {
    this.#clock = clock
    this.#marginMs = statementMsMax + slackMs
    this.#monotonicNow = monotonicNow
  }

  /** Nothing that waits in the lane is due before this (Unix milliseconds); 0 when nothing is known. */
  readonly of = (subscriptionId: number): number => {
    const mark = this.#marks.get(subscriptionId)
    // A clock that has gone back: rows come in with times that had been over already when the lane was read.
    return mark === undefined || this.#clock.now() < mark.readAt ? 0 : mark.dueAt
  }

  /** Where a pass through the lane starts. */
  startOf(subscriptionId: number): LanePosition {
    const wholeAt = this.#marks.get(subscriptionId)?.wholeAt ?? Number.NEGATIVE_INFINITY
    // Spread, so that lanes that were first read together are not all read whole together ever after.
    const isWholeDue = this.#monotonicNow() - wholeAt >= wholeMs * (1 - (subscriptionId % 32) / 64)
    return { dueAt: isWholeDue ? 0 : this.of(subscriptionId), webhookId: uuidLowerBound(0) }
  }

  /**
   * Where to read on in a lane whose order counts: of what came in lately all is read again. A row can be committed after a
   * later one was read; one read of both has them in their order.
   */
  before(position: LanePosition, now: number): LanePosition {
    const dueAt = now - this.#marginMs
    return position.dueAt <= dueAt ? position : { dueAt, webhookId: uuidLowerBound(0) }
  }

  /** A lane was leased that was due since then; undefined when that is not known. */
  leased(subscriptionId: number, dueAt: number | undefined): void {
    if (dueAt === undefined || dueAt < this.of(subscriptionId)) this.#marks.delete(subscriptionId)
  }

  /**
   * The first read of a pass was answered.
   *
   * @param start where it started, as of `startOf`
   * @param firstDueAt of the first row that was found, if any was
   * @param readAt when the read began
   * @returns false when the row came in behind what was remembered: it was not due at that moment or later
   */
  found(
    subscriptionId: number,
    start: LanePosition,
    firstDueAt: number | undefined,
    readAt: number,
  ): boolean {
    const isInOrder = firstDueAt === undefined || firstDueAt >= this.of(subscriptionId)
    const wholeAt = start.dueAt === 0 ? this.#monotonicNow() : this.#marks.get(subscriptionId)?.wholeAt
    this.#marks.delete(subscriptionId) // and in again behind all others
    if (wholeAt === undefined) return isInOrder
    const dueAt = Math.floor(Math.min(firstDueAt ?? Number.POSITIVE_INFINITY, readAt - this.#marginMs))
    this.#marks.set(subscriptionId, { dueAt, readAt, wholeAt })
    if (this.#marks.size > lanesMax) {
      const [oldest] = this.#marks.keys()
      if (oldest !== undefined) this.#marks.delete(oldest)
    }
    return isInOrder
  }
}
