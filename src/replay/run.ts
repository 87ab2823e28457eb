import { setTimeout as sleep } from 'node:timers/promises'
import type { Bell } from '../cluster/bell.ts'
import { Reach } from '../model/caller.ts'
import { tryLockForSession } from '../platform/advisory-lock.ts'
import { besideThePath } from '../platform/batches.ts'
import type { Clock } from '../platform/clock.ts'
import { type Uuid, uuidLowerBound } from '../platform/id.ts'
import type { Logger } from '../platform/logger.ts'
import type { Connection, Database, Queryable } from '../platform/postgres.ts'
import { CandidateReader } from './candidate-reader.ts'
import type { DeliveryKey } from './candidates-store.ts'
import type { Selection } from './filter.ts'
import { countEventsSince, countUnderWay, oweAgain, prepareForSteps, takeEnded } from './owe-store.ts'
import { besideFresh, Pace, quietMs } from './pace.ts'
import {
  type Counted,
  countCandidates,
  firstKey,
  nothingCounted,
  type Replays,
  withoutGone,
} from './replays.ts'
import {
  addProgress,
  endReplay,
  lockOpenReplay,
  type Progress,
  type ReplayRow,
  readOpenReplays,
  setTotal,
} from './store.ts'

export interface RunReplaysDeps {
  readonly database: Database
  readonly clock: Clock
  readonly logger: Logger
  readonly replays: Replays
  /** Without it what was queued is found by the next look at the lanes. */
  readonly bell?: Pick<Bell, 'ring'>
}

/**
 * At most this much of a replay waits in lanes that may be worked on, so that retries behind it are late by no more than a
 * receiver needs for this much; fresh events do not wait in lanes at all.
 */
const waitingMax = 500
/** At most this much of a replay is under way in all: retries of receivers that fail, and what waits in closed lanes. */
const openMax = 50_000
/** Between steps. A step that took long is followed by a longer rest, so that a large replay does not fill a core of PostgreSQL. */
const tickMs = 25
const restPerStep = 3
const restMaxMs = 500
/** What there is to run is looked up this often. */
const openMs = 500
/**
 * What has ended and what waits is counted this often, or with each second step where steps are further apart, and when there
 * is no more room by what was counted before.
 */
const lookMs = 250
/** How many fresh events come is counted over this time, up to a number from which on more make no difference. */
const freshMs = 2000
const freshMax = (besideFresh.most / besideFresh.share) * (freshMs / 1000)
/** Rows that end with one statement. */
const endedRows = 5000
/** What may be queued in this time is read ahead. */
const aheadSeconds = 2
/** A replay is counted for this long, then the others have their turn. */
const countMs = 250
/** One that failed is tried again after this time. */
const failedRestMs = 10_000
/** Ids of attempts are made by the clocks of processes, the time of a replay by that of the database. */
const clockSlackMs = 600_000

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
    await prepareForSteps(session)
    const runs = new Map<string, Run>()
    const restingUntil = new Map<string, number>()
    let open: readonly ReplayRow[] = []
    let readAt = Number.NEGATIVE_INFINITY
    while (!signal.aborted) {
      const beganAt = performance.now()
      if (beganAt - readAt >= openMs) {
        open = await readOpenReplays(session)
        readAt = beganAt
        if (open.length === 0) return true
      }
      const ready = open.filter(({ id }) => (restingUntil.get(id) ?? 0) <= beganAt)
      let failed = 0
      for (const row of ready) {
        if (signal.aborted) break
        const run = runs.get(row.id) ?? new Run(deps, row)
        runs.set(row.id, run)
        try {
          const isOther = await (row.state === 'counting'
            ? run.count(session, row, signal)
            : run.step(session))
          if (isOther) readAt = Number.NEGATIVE_INFINITY
        } catch (error) {
          // What is wrong with one replay stops no other one. When all of them fail, it is something else.
          if (++failed === ready.length) throw error
          deps.logger.warn(
            { err: error, replay: row.id },
            'a replay could not go on, and is tried again soon',
          )
          restingUntil.set(row.id, performance.now() + failedRestMs)
          runs.delete(row.id) // it goes on from what its row says
        }
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
  readonly #pace: Pace
  readonly #candidates: CandidateReader
  /** Ids of events from this one on may match. */
  #from: Uuid | undefined
  #lookedAt = Number.NEGATIVE_INFINITY
  #lookTookMs = 0
  #counted: Counted = nothingCounted
  /** As it was counted, and what was queued since. */
  #underWay = { open: 0, waiting: 0 }

  constructor(deps: RunReplaysDeps, row: ReplayRow) {
    this.#deps = deps
    this.#id = row.id
    this.#pace = new Pace(row.rate_per_second, performance.now())
    this.#candidates = new CandidateReader(positionOf(row))
  }

  /**
   * The exact number first, outside of the transactions of the steps, and a part of it at a time.
   *
   * @returns whether its state has changed
   */
  async count(session: Connection, row: ReplayRow, signal: AbortSignal): Promise<boolean> {
    const until = performance.now() + countMs
    const mayGoOn = () => !signal.aborted && performance.now() < until
    const selection = await this.#selection(session, row)
    this.#counted = await countCandidates(session, selection, mayGoOn, this.#counted)
    if (this.#counted.isDone) await setTotal(session, this.#id, this.#counted.count)
    return this.#counted.isDone
  }

  /** @returns whether its state has changed */
  async step(session: Connection): Promise<boolean> {
    const now = performance.now()
    const allowed = this.#candidates.isDone ? 0 : this.#pace.allows(now)
    const isLooking = now - this.#lookedAt >= this.#lookAfterMs(allowed)
    if (allowed === 0 && !isLooking) return false
    const { queued = 0, isOver } = await session.transaction(async tx => {
      const row = await lockOpenReplay(tx, this.#id)
      if (row?.state !== 'running') return { isOver: true }
      const ended = isLooking ? await this.#look(tx, row, now) : {}
      const progress = await this.#queue(tx, row, Math.min(allowed, this.#room))
      if (isLooking || allowed > 0) await addProgress(tx, row.id, { ...ended, ...progress })
      const isOver = this.#candidates.isDone && this.#underWay.open === 0
      if (isOver) await endReplay(tx, row.id, 'done')
      return { queued: progress.queued, isOver }
    })
    // A lane that is read again only once what was read of it has ended would else stand still until the next look.
    if (queued > 0) this.#deps.bell?.ring()
    return isOver
  }

  /** Counts what has ended and what waits, and looks whether anything fresh comes. @returns how what has ended did */
  async #look(tx: Queryable, row: ReplayRow, now: number): Promise<Progress> {
    this.#lookedAt = now
    const ended = await takeEnded(tx, row.id, replayedFrom(row), endedRows)
    this.#underWay = await countUnderWay(tx, row.id)
    if (this.#pace.isOwn) this.#pace.setFresh(await this.#freshPerSecond(tx))
    this.#lookTookMs = performance.now() - now
    return ended
  }

  /** @returns null: none has come for a while */
  async #freshPerSecond(tx: Queryable): Promise<number | null> {
    const now = this.#deps.clock.now()
    const count = await countEventsSince(tx, uuidLowerBound(now - freshMs), freshMax)
    if (count > 0) return (1000 * count) / freshMs
    return (await countEventsSince(tx, uuidLowerBound(now - quietMs), 1)) > 0 ? 0 : null
  }

  /** Sooner where there is no room for what is allowed. With much under way a look takes long, and is made less often. */
  #lookAfterMs(allowed: number): number {
    const { stepMs } = this.#pace
    if (this.#room < allowed) return Math.max(stepMs, restPerStep * this.#lookTookMs)
    return Math.max(lookMs, this.#candidates.isDone ? 0 : 2 * stepMs, 20 * this.#lookTookMs)
  }

  get #room(): number {
    return Math.min(waitingMax - this.#underWay.waiting, openMax - this.#underWay.open)
  }

  /** Owes up to `room` deliveries again. */
  async #queue(tx: Queryable, row: ReplayRow, room: number): Promise<Progress> {
    if (room < 1) return {}
    const ahead = this.#pace.perSecond * aheadSeconds
    const selection = await this.#selection(tx, row)
    const taken = await this.#candidates.take(tx, selection, room, ahead, performance.now())
    const queued = await oweAgain(tx, taken, 'replay', row.id)
    this.#pace.used(queued)
    this.#underWay.open += queued
    this.#underWay.waiting += queued
    return { queued, skipped: taken.length - queued, after: this.#candidates.after }
  }

  /** What is kept changes as time goes by, and what was older when this process began with it is not looked for again. */
  async #selection(db: Queryable, row: ReplayRow): Promise<Selection> {
    const reach = row.tenant === null ? Reach.all : Reach.of(row.tenant)
    const selection = this.#deps.replays.selection(row.filter, reach)
    this.#from ??= (await withoutGone(db, selection)).from
    return { ...selection, from: this.#from }
  }
}

function positionOf(row: ReplayRow): DeliveryKey {
  const { after_webhook_id: webhookId, after_subscription_id: subscriptionId } = row
  return webhookId === null || subscriptionId === null ? firstKey : { webhookId, subscriptionId }
}

/** No attempt of a replay has a smaller id. */
function replayedFrom(row: ReplayRow): Uuid {
  return uuidLowerBound(row.created_at.getTime() - clockSlackMs)
}
