import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from './logger.ts'
import type { Connection, Database } from './postgres.ts'
import { rangePlans } from './sql.ts'

// What is done beside the path of events: retention, clean-up after dead processes, repair. How much there is of it
// depends on the backlog, so it is never one statement, but many small ones on a connection of their own.

/** A batch takes far less. A statement that takes this long waits for something, and its work is put off until later. */
const statementMsMax = 60_000

/**
 * Runs work beside the path on a connection that is opened for it, and closed after it. When the connection breaks the
 * work fails, so that a session lock taken at its beginning is held for all of it.
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

/** What became of one batch. */
export interface Batch<Position> {
  /** Rows that were looked at; fewer than asked for: nothing is left. */
  readonly rows: number
  /** The last of them, behind which the next batch begins; undefined when there was none. */
  readonly last: Position | undefined
}

export interface BatchesOptions {
  /** For the log. */
  readonly name: string
  readonly logger: Logger
  /** Ends the walk before its next batch. */
  readonly signal: AbortSignal
  /** Ends the walk once so many rows were looked at; all unless given. */
  readonly rowsMax?: number
  /** Rests for so many times as long as each batch took; as long unless given. */
  readonly restShare?: number
}

/** How far a walk has come. */
export interface Walked<Position> {
  readonly rows: number
  /** Behind this one nothing was looked at. Undefined: there was no row at all. */
  readonly last: Position | undefined
  /** Whether it came to the end. */
  readonly isDone: boolean
}

/** Rows of the first batch, and the bounds of what follows from how long the ones before took. */
const rowsFirst = 1000
const rowsLeast = 100
const rowsMost = 10_000

/** How long a batch takes, about: its locks are held, and a stop waits for it, no longer than that. */
const batchMs = 50

/** A walk that takes longer says so often how far it has come. */
const progressEveryMs = 30_000

/**
 * Walks through rows in the order of a key, batch by batch: each a transaction of its own, and after each a rest, so that
 * the path of events keeps at least half of what the walk takes from the database. Cut off anywhere, what was done stays
 * done; the next walk begins behind `last`, or from the start where what is done is not found again.
 *
 * @param from the walk begins behind this one
 * @param step does up to `limit` rows behind `after`; may do some more to end between two keys
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
    if (batch.last === undefined || batch.rows < asked) return { rows, last, isDone: true }
    if (endedAt - toldAt > progressEveryMs) {
      toldAt = endedAt
      logger.info({ rows, last, seconds: Math.round((endedAt - beganAt) / 1000) }, `${name} goes on`)
    }
    limit = nextLimit(limit, tookMs)
    await sleep(tookMs * restShare, undefined, { signal }).catch(() => {}) // aborted: the loop ends
  }
  return { rows, last, isDone: false }
}

/** More rows after a batch that took less time than it may, fewer after one that took more; by a factor of two at most. */
function nextLimit(limit: number, tookMs: number): number {
  const factor = Math.min(2, Math.max(0.5, batchMs / Math.max(tookMs, 1)))
  return Math.round(Math.min(rowsMost, Math.max(rowsLeast, limit * factor)))
}
