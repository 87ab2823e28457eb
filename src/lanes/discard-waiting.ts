import { tryLockForSession } from '../platform/advisory-lock.ts'
import { besideThePath, inBatches } from '../platform/batches.ts'
import type { Logger } from '../platform/logger.ts'
import type { Connection, Database, Transactional } from '../platform/postgres.ts'
import { planByIndexes } from '../platform/sql.ts'
import {
  countWaitingPage,
  type DiscardRow,
  discardWaitingPage,
  endDiscard,
  laneStart,
  readDiscards,
  type WaitingPosition,
} from './discard-waiting-store.ts'

/** The notice that something is to be discarded. */
export const discardNotice = { channel: 'lane_discards', parse: (id: string) => id } as const

/** How long a count that someone waits for may take, and how many rows one statement of it looks at. */
const countMsMax = 10_000
const countRows = 50_000

/**
 * How much waits in a lane, of runs that began before a moment (Unix milliseconds). What processes have in memory does not
 * wait there.
 *
 * @returns null: it is more than can be counted in 10 s
 */
export async function countWaiting(
  database: Transactional,
  subscriptionId: number,
  beganBefore: number,
): Promise<number | null> {
  const end = performance.now() + countMsMax
  let count = 0
  for (let after = laneStart; ; ) {
    const page = await database.transaction(async tx => {
      await planByIndexes(tx)
      return countWaitingPage(tx, subscriptionId, beganBefore, after, countRows)
    })
    count += page.found
    if (page.last === undefined || page.looked < countRows) return count
    if (performance.now() > end) return null
    after = page.last
  }
}

export interface DiscardDeps {
  readonly database: Database
  readonly logger: Logger
}

/** Rows of one lane that are looked at before the next lane has its turn. */
const turnRows = 20_000

/** Carries out what is to be discarded. */
export class Discards {
  readonly #deps: DiscardDeps
  #onAsked: () => void = () => {}

  constructor(deps: DiscardDeps) {
    this.#deps = deps
  }

  /** Some process was asked for a discard: whoever carries them out is told. */
  noticed(): void {
    this.#onAsked()
  }

  /** Sets who is told that there is something to carry out. */
  onAsked(listener: () => void): void {
    this.#onAsked = listener
  }

  /**
   * Ends all that is to be discarded, in one process at a time, batch by batch; then the lanes are held no more. Cut off
   * anywhere it goes on with what is left: each batch is a statement, and what has ended is not found again.
   *
   * @returns false when another process is at it
   */
  async run(signal: AbortSignal): Promise<boolean> {
    const { database, logger } = this.#deps
    if ((await readDiscards(database)).length === 0) return true
    return besideThePath(database, 'discard', async session => {
      if (!(await tryLockForSession(session, 'discard'))) return false
      const walks = new Map<number, Walk>()
      while (!signal.aborted) {
        const rows = await readDiscards(session)
        if (rows.length === 0) return true
        for (const row of rows) {
          if (signal.aborted) break
          const known = walks.get(row.subscriptionId)
          const walk = known?.beganBefore === row.beganBefore ? known : new Walk(row)
          walks.set(row.subscriptionId, walk)
          await walk.turn(session, logger, signal)
        }
      }
      return true
    })
  }
}

/** The discard of one lane, while this process carries it out. */
class Walk {
  readonly beganBefore: number
  readonly #row: DiscardRow
  #after: WaitingPosition = laneStart
  /** Rows to end that were found since the walk was last at the beginning of the lane. */
  #found = 0

  constructor(row: DiscardRow) {
    this.#row = row
    this.beganBefore = row.beganBefore
  }

  /**
   * What comes back into the lane while it is walked through, as from a process that held it in memory, may be behind the
   * walk: so it has ended when all of the lane was looked at and nothing was found.
   */
  async turn(session: Connection, logger: Logger, signal: AbortSignal): Promise<void> {
    const { subscriptionId } = this.#row
    const options = { name: 'discard of what waited', logger, signal, rowsMax: turnRows }
    const walked = await inBatches<WaitingPosition>(options, this.#after, async (after, limit) => {
      const { looked, found, last } = await discardWaitingPage(
        session,
        subscriptionId,
        this.beganBefore,
        after,
        limit,
      )
      this.#found += found
      return { rows: looked, last }
    })
    this.#after = walked.last ?? this.#after
    if (!walked.isDone) return
    const found = this.#found
    this.#after = laneStart
    this.#found = 0
    if (found > 0) return
    await session.transaction(tx => endDiscard(tx, this.#row))
  }
}
