import { loggedFrom } from '../model/logged-from.ts'
import type { Queryable } from '../platform/postgres.ts'
import { type Candidate, type DeliveryKey, readCandidates } from './candidates-store.ts'
import type { Selection } from './filter.ts'

/** Deliveries looked at with one statement, and statements of one step, where few of them match. */
const pageRows = 1000
const pagesPerStep = 10

/** What was read and is not taken within this time is read again: meanwhile it may have ended in another way. */
const keptMs = 5000

/**
 * Reads what a replay sends next, more than is taken at once: to read 10 costs PostgreSQL nearly as much as to read 200.
 */
export class CandidateReader {
  /** Read and not taken yet. */
  #waiting: readonly Candidate[] = []
  #readAt = 0
  /** Up to where all that matches was taken, */
  #after: DeliveryKey
  /** and up to where deliveries were looked at. */
  #end: DeliveryKey
  /** How many deliveries were looked at for one that matches, on the last page. */
  #rowsPerMatch = 1
  #isAllRead = false

  constructor(after: DeliveryKey) {
    this.#after = after
    this.#end = after
  }

  /** Nothing is left to be taken. */
  get isDone(): boolean {
    return this.#isAllRead && this.#waiting.length === 0
  }

  /** Up to here all that matches was taken. */
  get after(): DeliveryKey {
    return this.#after
  }

  /**
   * Takes up to `room` deliveries. None does not mean the end, but that few match.
   *
   * @param ahead about that many are read at a time, or more where there is room for them
   * @param now on the monotonic clock, in ms
   */
  async take(
    tx: Queryable,
    selection: Selection,
    room: number,
    ahead: number,
    now: number,
  ): Promise<readonly Candidate[]> {
    if (now - this.#readAt > keptMs) {
      this.#waiting = []
      this.#end = this.#after
      this.#isAllRead = false
    }
    for (let pages = 0; pages < pagesPerStep && this.#waiting.length === 0 && !this.#isAllRead; pages++) {
      await this.#read(tx, selection, Math.max(room, ahead))
      this.#readAt = now
    }
    const taken = this.#waiting.slice(0, room)
    this.#waiting = this.#waiting.slice(room)
    this.#after = (this.#waiting.length > 0 ? taken.at(-1) : undefined) ?? this.#end
    return taken
  }

  async #read(tx: Queryable, selection: Selection, wanted: number): Promise<void> {
    // As many rows as are likely to hold what is wanted.
    const rows = Math.min(pageRows, Math.ceil(wanted * this.#rowsPerMatch))
    const page = await readCandidates(tx, selection, this.#end, loggedFrom(selection.from), rows)
    this.#waiting = page.matching
    this.#end = page.last ?? this.#end
    this.#rowsPerMatch = page.looked / Math.max(1, page.matching.length)
    this.#isAllRead = page.looked < rows
  }
}
