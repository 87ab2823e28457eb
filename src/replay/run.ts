import { setTimeout as sleep } from 'node:timers/promises'
import { Reach } from '../model/caller.ts'
import { loggedFrom } from '../model/logged-from.ts'
import { tryLockForSession } from '../platform/advisory-lock.ts'
import { besideThePath } from '../platform/batches.ts'
import type { Logger } from '../platform/logger.ts'
import type { Connection, Database, Queryable } from '../platform/postgres.ts'
import type { Selection } from './filter.ts'
import { countCandidates, firstKey, type Replays } from './replays.ts'
import { defaultRatePerSecond } from './schema.ts'
import {
  addProgress,
  commitWithoutWaiting,
  countUnderWay,
  type DeliveryKey,
  endReplay,
  lockOpenReplay,
  oweAgain,
  type ReplayRow,
  readCandidates,
  readOpenReplays,
  setTotal,
  takeEnded,
} from './store.ts'

export interface RunReplaysDeps {
  readonly database: Database
  readonly logger: Logger
  readonly replays: Replays
}

/**
 * At most this much of a replay waits in lanes that may be worked on, so that retries behind it are late by no more than a
 * receiver needs for this much; fresh events do not wait in lanes at all.
 */
const waitingMax = 500
/** At most this much of a replay is under way in all: retries of receivers that fail, and what waits in closed lanes. */
const openMax = 50_000
/** Deliveries looked at with one statement, and statements of one step, where few of them match. */
const pageRows = 1000
const pagesPerStep = 10
/** Between steps. A step that took long is followed by a longer rest, so that a large replay does not fill a core of PostgreSQL. */
const tickMs = 25
const restPerStep = 3
const restMaxMs = 500
/** What has ended is counted this often: progress that a person looks at. */
const takeEndedMs = 250

/**
 * Runs all replays there are, in one process at a time, until none has anything to do. Each step is a transaction that owes
 * some deliveries again and remembers how far it has come: so a replay that is killed at any moment goes on where it was,
 * and owes nothing twice.
 *
 * @returns false when another process is at it
 */
export async function runReplays(deps: RunReplaysDeps, signal: AbortSignal): Promise<boolean> {
  if ((await readOpenReplays(deps.database)).length === 0) return true
  return besideThePath(deps.database, 'replay', async session => {
    if (!(await tryLockForSession(session, 'replay'))) return false
    const runs = new Map<string, Run>()
    while (!signal.aborted) {
      const open = await readOpenReplays(session)
      if (open.length === 0) return true
      const beganAt = performance.now()
      for (const row of open) {
        if (signal.aborted) break
        const run = runs.get(row.id) ?? new Run(deps, row)
        runs.set(row.id, run)
        await run.step(session, signal)
      }
      const rest = Math.min(restMaxMs, Math.max(tickMs, restPerStep * (performance.now() - beganAt)))
      await sleep(rest, undefined, { signal }).catch(() => {}) // aborted: the loop ends
    }
    return true
  })
}

/** One replay, while this process runs it. */
class Run {
  readonly #deps: RunReplaysDeps
  readonly #id: ReplayRow['id']
  /** Deliveries that its rate allows now. */
  #allowed = 0
  #allowedAt = performance.now()
  #tookEndedAt = Number.NEGATIVE_INFINITY
  /** All that matches has been queued. */
  #isQueued = false
  /** How many deliveries were looked at for one that matches, on the last page. */
  #rowsPerMatch = 1

  constructor(deps: RunReplaysDeps, row: ReplayRow) {
    this.#deps = deps
    this.#id = row.id
  }

  async step(session: Connection, signal: AbortSignal): Promise<void> {
    await this.#count(session, signal)
    await session.transaction(async tx => {
      await commitWithoutWaiting(tx)
      const row = await lockOpenReplay(tx, this.#id)
      if (row === undefined || row.state === 'counting') return
      const { from } = this.#selection(row)
      if (this.#isQueued || performance.now() - this.#tookEndedAt >= takeEndedMs) {
        this.#tookEndedAt = performance.now()
        await addProgress(tx, row.id, await takeEnded(tx, row.id, loggedFrom(from), 5 * pageRows))
      }
      const underWay = await countUnderWay(tx, row.id)
      const room = Math.min(waitingMax - underWay.waiting, openMax - underWay.open, this.#mayQueue(row))
      const queued = this.#isQueued || room < 1 ? 0 : await this.#queue(tx, row, Math.floor(room))
      if (this.#isQueued && underWay.open === 0 && queued === 0) await endReplay(tx, row.id, 'done')
    })
  }

  /** Owes up to `room` deliveries again. @returns how many */
  async #queue(tx: Queryable, row: ReplayRow, room: number): Promise<number> {
    let queued = 0
    let after: DeliveryKey =
      row.after_webhook_id === null || row.after_subscription_id === null
        ? firstKey
        : { webhookId: row.after_webhook_id, subscriptionId: row.after_subscription_id }
    for (let pages = 0; pages < pagesPerStep && queued < room && !this.#isQueued; pages++) {
      const page = await this.#queuePage(tx, row, after, room - queued)
      queued += page.queued
      after = page.after
    }
    this.#allowed -= queued
    return queued
  }

  async #queuePage(tx: Queryable, row: ReplayRow, from: DeliveryKey, room: number) {
    const selection = this.#selection(row)
    // As many rows as are likely to hold what there is room for: to read a whole page for 25 deliveries costs more than all the rest.
    const rows = Math.min(pageRows, Math.ceil(room * this.#rowsPerMatch))
    const page = await readCandidates(tx, selection, from, loggedFrom(selection.from), rows)
    const taken = page.matching.slice(0, room)
    // What is owed comes anyway. Where it was settled between the two statements, it would be sent once more.
    const ready = taken.filter(({ isOwed }) => !isOwed)
    const queued = await oweAgain(tx, ready, 'replay', row.id)
    const isWhole = taken.length === page.matching.length
    const skipped = taken.length - queued
    const after = (isWhole ? page.last : taken.at(-1)) ?? from
    await addProgress(tx, row.id, { queued, skipped, after })
    this.#rowsPerMatch = page.looked / Math.max(1, page.matching.length)
    this.#isQueued = page.last === undefined
    return { queued, after }
  }

  /** The exact number first, outside of the transactions of the steps. */
  async #count(session: Connection, signal: AbortSignal): Promise<void> {
    const row = (await readOpenReplays(session)).find(({ id }) => id === this.#id)
    if (row?.state !== 'counting') return
    const { count, isDone } = await countCandidates(session, this.#selection(row), () => !signal.aborted)
    if (isDone) await setTotal(session, row.id, count)
  }

  #selection(row: ReplayRow): Selection {
    const reach = row.tenant === null ? Reach.all : Reach.of(row.tenant)
    return this.#deps.replays.selection(row.filter, reach)
  }

  #mayQueue({ rate_per_second: given }: ReplayRow): number {
    const rate = given ?? defaultRatePerSecond
    const now = performance.now()
    this.#allowed = Math.min(rate, this.#allowed + ((now - this.#allowedAt) / 1000) * rate)
    this.#allowedAt = now
    return this.#allowed
  }
}
