import { setTimeout as sleep } from 'node:timers/promises'
import { tryLockForSession } from '../platform/advisory-lock.ts'
import { besideThePath } from '../platform/batches.ts'
import type { Clock } from '../platform/clock.ts'
import { earlierNow } from '../platform/database-time.ts'
import { uuidLowerBound, uuidTime } from '../platform/id.ts'
import type { Logger } from '../platform/logger.ts'
import type { Connection, Database, Queryable } from '../platform/postgres.ts'
import { ownStatsDays } from '../tenants/retention.ts'
import { removeOldSamples, sampleBacklog } from './backlog.ts'
import { forgetMadeAhead, isAhead } from './made-ahead.ts'
import { removeOldStats } from './retention.ts'
import {
  combineRows,
  countLogged,
  markChecked,
  markMade,
  type RolledMinute,
  readBatchEnd,
  readFirstLogged,
  readFirstPeriod,
  readRolledUp,
  readStale,
  readToCheck,
  rollUpMinutes,
  type Span,
  type Subject,
  type SubjectKey,
  subjects,
} from './roll-up-store.ts'
import { finerStep, type LongerStep, longerSteps, minuteMs, minuteOf, periodOf } from './steps.ts'

export interface RollUpDeps {
  readonly database: Database
  readonly clock: Clock
  readonly logger: Logger
  readonly logRetentionHours: number
  readonly statsRetentionDays: number
  /** Rests after each piece of work for this share of its time; 1 unless given. */
  readonly restShare?: number
}

/** What one round did. */
export interface RollUpReport {
  /** Minutes that were rolled up, */
  readonly minutes: number
  /** and those that were made again, since rows of the log came late. */
  readonly again: number
  /** Longer periods that were made. */
  readonly combined: number
  /** Rows of roll-ups that were older than they are kept. */
  readonly removed: number
}

/** A minute is rolled up this long after its end. What is committed later is found by a check. */
const settleMs = 3000

/**
 * How old a minute is (in minutes) when its log is counted again. An id of the log is made before its row is committed:
 * milliseconds as a rule, longer while the database is away from one process. After the last check nobody looks again. Each
 * costs a quarter of what the roll-up itself does.
 */
const checkAges = [5, 1440] as const

/** Minutes that are older than the last check are left out where nothing was logged in them. */
const recentMinutes = 1500

/** A transaction of several minutes takes about this long, and has at most this many. */
const batchMs = 100
const minutesMost = 240

/** Minutes whose log is counted in one statement. */
const checkedTogether = 30

/** Rows of each part of a longer period that are combined in one transaction, and periods, at most. */
const combinedRows = 1000
const periodsTogether = 48

/**
 * Rolls up the log, from time to time, by one process at a time.
 *
 * The log is the truth: a minute is made whole from its rows, in a transaction that also says that it is made, and longer
 * periods are made of shorter ones in the same way. So a process that dies leaves no gap and counts nothing twice, and what
 * was rolled up wrongly or never is made again from the log for as long as there is one.
 */
export class RollUps {
  readonly #deps: RollUpDeps
  /** Some process has rolled up the minutes before this one. */
  #until = Number.NEGATIVE_INFINITY
  /** The hour in which this process removed what is too old the last time. */
  #removedIn = Number.NaN

  constructor(deps: RollUpDeps) {
    this.#deps = deps
  }

  /** Does what there is to do, which is something once a minute. @returns undefined where there is nothing, or another process is at it */
  async run(signal: AbortSignal = new AbortController().signal): Promise<RollUpReport | undefined> {
    const { database, clock } = this.#deps
    const target = minuteOf(clock.now() - settleMs)
    if (this.#isDone(target)) return undefined
    this.#until = (await readRolledUp(database))[1] ?? (await firstLoggedMinute(database)) ?? target
    if (this.#isDone(target)) return undefined
    if (isAhead(this.#until, target)) this.#until = Number.NEGATIVE_INFINITY // some of it will be forgotten
    return besideThePath(database, 'roll-ups', async session => {
      if (!(await tryLockForSession(session, 'stats'))) return undefined
      const report = await new Round(this.#deps, session, target, signal).run()
      // Neither keeps the other from being done.
      const removing = this.#removeOld(session, signal)
      const removed = await removing.finally(() => sampleBacklog(session, clock.now()))
      return { ...report, removed }
    })
  }

  #isDone(target: number): boolean {
    return this.#until >= target && !isAhead(this.#until, target)
  }

  /** Once an hour: what tenants keep for longer is passed over each time. */
  async #removeOld(session: Connection, signal: AbortSignal): Promise<number> {
    const { clock, logger, statsRetentionDays: retentionDays } = this.#deps
    const hour = periodOf(minuteOf(clock.now()), 60)
    if (signal.aborted || hour === this.#removedIn) return 0
    const now = await earlierNow(session, clock)
    const own = await ownStatsDays(session)
    const removed = await removeOldStats(session, { now, retentionDays, own }, logger, signal)
    await removeOldSamples(session, now, retentionDays)
    this.#removedIn = hour
    return removed
  }
}

/** The minute of the first row of the log, from a minute on. */
export async function firstLoggedMinute(db: Queryable, from = 0): Promise<number | undefined> {
  const first = await readFirstLogged(db, uuidLowerBound(from * minuteMs))
  return first && minuteOf(uuidTime(first))
}

class Round {
  readonly #deps: RollUpDeps
  readonly #session: Connection
  /** Minutes before this one are over. */
  readonly #target: number
  readonly #signal: AbortSignal
  #minutes = 0
  #again = 0
  #combined = 0

  constructor(deps: RollUpDeps, session: Connection, target: number, signal: AbortSignal) {
    this.#deps = deps
    this.#session = session
    this.#target = target
    this.#signal = signal
  }

  async run(): Promise<Omit<RollUpReport, 'removed'>> {
    await forgetMadeAhead(this.#session, this.#target, this.#signal)
    await this.#checkMinutes()
    await this.#rollUpMinutes()
    await this.#combineAll()
    const report = { minutes: this.#minutes, again: this.#again, combined: this.#combined }
    this.#deps.logger.debug(report, 'rolled up the log')
    return report
  }

  async #rollUpMinutes(): Promise<void> {
    const done = (await readRolledUp(this.#session, this.#target))[1]
    let next = done ?? (await firstLoggedMinute(this.#session)) ?? this.#target
    let count = 1
    while (next < this.#target && !this.#signal.aborted) {
      if (next < this.#target - recentMinutes) {
        const logged = (await firstLoggedMinute(this.#session, next)) ?? this.#target
        next = Math.min(Math.max(next, logged), this.#target - recentMinutes)
      }
      count = Math.min(count, this.#target - next)
      const beganAt = performance.now()
      await this.#rollUp(next, count)
      const tookMs = performance.now() - beganAt
      this.#minutes += count
      next += count
      // After a long stop, or over a log that was there before, minutes with few rows are made together.
      count = Math.ceil(Math.min(minutesMost, count * 2, (count * batchMs) / Math.max(tookMs, 1)))
      if (next < this.#target) await this.#rest(tookMs)
    }
  }

  #rollUp(from: number, count: number): Promise<void> {
    const checks = Array.from({ length: count }, (_, index) => this.#checksOf(from + index))
    return this.#session.transaction(tx => rollUpMinutes(tx, from, checks))
  }

  /** Minutes before these are due for another check, for each number of checks made so far. */
  get #dueBefore(): readonly number[] {
    return checkAges.map(age => this.#target - age)
  }

  /** How many checks a minute needs no more: one is left to it, unless it is older than that makes sense. */
  #checksOf(minute: number): number {
    const due = this.#dueBefore.filter(before => minute < before).length
    return due === checkAges.length ? due : Math.max(0, due - 1)
  }

  async #checkMinutes(): Promise<void> {
    const toCheck = await readToCheck(this.#session, this.#dueBefore)
    for (let index = 0; index < toCheck.length && !this.#signal.aborted; index += checkedTogether) {
      const beganAt = performance.now()
      const some = toCheck.slice(index, index + checkedTogether)
      for (const minute of await this.#withLateRows(some)) {
        await this.#rollUp(minute, 1)
        this.#again++
      }
      const minutes = some.map(({ minute }) => minute)
      const due = minutes.map(minute => this.#dueBefore.filter(before => minute < before).length)
      await markChecked(this.#session, minutes, due)
      if (some.length === checkedTogether) await this.#rest(performance.now() - beganAt)
    }
  }

  /**
   * Those whose log has more rows than were rolled up. Rows are only added to a log, until retention takes them: so as many
   * rows are the same rows, and fewer say that it is not whole any more.
   */
  async #withLateRows(minutes: readonly RolledMinute[]): Promise<readonly number[]> {
    const { clock, logRetentionHours } = this.#deps
    const keptFrom = minuteOf(clock.now() - logRetentionHours * 3_600_000)
    const kept = minutes.filter(({ minute }) => minute > keptFrom)
    const counts = await countLogged(
      this.#session,
      kept.map(({ minute }) => minute),
    )
    return kept
      .filter(({ minute, log_rows: rolledUp }) => (counts.get(minute) ?? 0) > rolledUp)
      .map(({ minute }) => minute)
  }

  /** Shorter periods first, since longer ones are made of them. */
  async #combineAll(): Promise<void> {
    for (const step of longerSteps) {
      for (const minute of await readStale(this.#session, step)) {
        await this.#combine({ step, minute, count: 1 })
      }
      await this.#combineNew(step)
    }
  }

  async #combineNew(step: LongerStep): Promise<void> {
    const finer = finerStep[step]
    const rolledUp = await readRolledUp(this.#session, this.#target)
    const end = periodOf(rolledUp[finer] ?? 0, step)
    let next = rolledUp[step] ?? 0
    while (next < end && !this.#signal.aborted) {
      const part = await readFirstPeriod(this.#session, finer, next)
      const minute = part === undefined ? end : periodOf(part, step)
      if (minute >= end) return
      const count = Math.min((end - minute) / step, periodsTogether)
      const span = { step, minute, count }
      next = minute + step * ((await this.#isSmall(span)) ? count : 1)
      await this.#combine({ ...span, count: (next - minute) / step })
    }
  }

  /** Whether periods have so few rows that they are made together: after a long stop, or where little is sent. */
  async #isSmall(span: Span): Promise<boolean> {
    if (span.count === 1) return false
    for (const subject of subjects) {
      const rowsMax = Math.floor(combinedRows / span.count)
      const end = await readBatchEnd(this.#session, subject, span, subject.beforeAll, rowsMax)
      if (end !== undefined) return false
    }
    return true
  }

  /** Batch by batch, each a transaction; only after the last one the periods count as made. */
  async #combine(span: Span): Promise<void> {
    const beganAt = performance.now()
    for (const subject of subjects) {
      if (!(await this.#combineSubject(subject, span))) return
    }
    await markMade(this.#session, span)
    this.#combined += span.count
    await this.#rest(performance.now() - beganAt)
  }

  /** @returns false when it was told to end before */
  async #combineSubject(subject: Subject, span: Span): Promise<boolean> {
    let after: SubjectKey | undefined = subject.beforeAll
    while (after !== undefined) {
      if (this.#signal.aborted) return false
      const from: SubjectKey = after
      const end = await readBatchEnd(this.#session, subject, span, from, combinedRows)
      await this.#session.transaction(tx => combineRows(tx, subject, span, from, end))
      after = end
    }
    return true
  }

  /** After work that took this long. */
  async #rest(tookMs: number): Promise<void> {
    const { restShare = 1 } = this.#deps
    await sleep(tookMs * restShare, undefined, { signal: this.#signal }).catch(() => {}) // aborted: the loop ends
  }
}
