import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from './logger.ts'
import type { Connection, Database } from './postgres.ts'
import { rangePlans } from './sql.ts'

// For work beside the path of events: retention, clean-up after dead processes, repair. Its amount depends on the backlog,
// so it is never one statement, but many small ones on a connection of their own.

/** A batch takes far less than this. A statement that takes longer waits for something; its work is tried again later. */
const statementMsMax = 60_000

/**
 * Runs work beside the path on a connection that is opened for it, and closed after it. When the connection breaks, the
 * work fails. So a session lock that is taken at its beginning is held to its end.
 *
 * @param name shown to the operators of the database (`pg_stat_activity`)
 */
export async function besideThePath<T>(
  database: Database,
  name: string,
  work: (session: Connection) => Promise<T>,
): Promise<T> {
  const session = database.connection(name, {
    queryTimeoutMs: statementMsMax,
    session: rangePlans,
    reopens: false,
  })
  try {
    return await work(session)
  } finally {
    await session.close()
  }
}

/** The result of one batch. */
export interface Batch<Position> {
  /** Rows that were checked; fewer than asked for: nothing is left, unless `goesOn` says otherwise. */
  readonly rows: number
  /** Whether more is left; whether as many rows were checked as were asked for unless given. */
  readonly goesOn?: boolean
  /** The last of them, after which the next batch begins; undefined when there was none. */
  readonly last: Position | undefined
}

export interface BatchesOptions {
  /** For the log. */
  readonly name: string
  readonly logger: Logger
  /** Ends the walk before its next batch. */
  readonly signal: AbortSignal
  /** Ends the walk when this many rows were checked; all rows unless given. */
  readonly rowsMax?: number
  /** Rests after each batch for this share of its time; 1 unless given. */
  readonly restShare?: number
}

/** How far a walk has come. */
export interface Walked<Position> {
  readonly rows: number
  /** The last row that was checked; undefined when there was none. */
  readonly last: Position | undefined
  /** Whether it came to the end. */
  readonly isDone: boolean
}

/** Rows of the first batch; the least and the most of later ones, which depend on the time of those before. */
const rowsFirst = 1000
const rowsLeast = 100
const rowsMost = 10_000

/** A batch takes about this long. Its locks are held, and a stop waits, for no longer. */
const batchMs = 50

/** A longer walk logs its progress once in this time. */
const progressEveryMs = 30_000

/**
 * Walks through rows in the order of a key, batch by batch. Each batch is a transaction of its own. After each the walk
 * rests, so that it takes at most half of the database's time from the path of events. When it is cut off, the finished
 * batches stay. The next walk begins after `last`, or from the start where finished rows are not found again.
 *
 * @param from the walk begins after this key
 * @param step does up to `limit` rows after `after`; it may do some more, to end between two keys
 */
export async function inBatches<Position>(
  { name, logger, signal, rowsMax = Number.POSITIVE_INFINITY, restShare = 1 }: BatchesOptions,
  from: Position,
  step: (after: Position, limit: number) => Promise<Batch<Position>>,
): Promise<Walked<Position>> {
  const beganAt = performance.now()
  let toldAt = beganAt
  let limit = rowsFirst
  let after = from
  let last: Position | undefined
  let rows = 0
  while (rows < rowsMax && !signal.aborted) {
    const startedAt = performance.now()
    const asked = Math.min(limit, rowsMax - rows)
    const batch = await step(after, asked)
    const endedAt = performance.now()
    const tookMs = endedAt - startedAt
    rows += batch.rows
    if (batch.last !== undefined) last = after = batch.last
    if (batch.last === undefined || !(batch.goesOn ?? batch.rows >= asked))
      return { rows, last, isDone: true }
    if (endedAt - toldAt > progressEveryMs) {
      toldAt = endedAt
      logger.info({ rows, last, seconds: Math.round((endedAt - beganAt) / 1000) }, `${name} goes on`)
    }
    limit = nextLimit(limit, tookMs)
    await sleep(tookMs * restShare, undefined, { signal }).catch(() => {}) // aborted: the loop ends
  }
  return { rows, last, isDone: false }
}

/** More rows after a batch that took less than `batchMs`, fewer after one that took more; at most by a factor of two. */
function nextLimit(limit: number, tookMs: number): number {
  const factor = Math.min(2, Math.max(0.5, batchMs / Math.max(tookMs, 1)))
  return Math.round(Math.min(rowsMost, Math.max(rowsLeast, limit * factor)))
}
