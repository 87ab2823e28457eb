import type { MovedState, PathFacts } from '../model/path-facts.ts'
import type { ReceiverPauseReason } from '../model/pause.ts'
import type { Logger } from '../platform/logger.ts'
import { type Database, isDatabaseUnavailable } from '../platform/postgres.ts'
import type { SubscriptionState } from './schema.ts'
import { markWarned, moveStates, readFailing, type StateMove } from './state-store.ts'
import type { SubscriptionLanes } from './subscription-lanes.ts'

export interface ReceiverStatesDeps {
  readonly database: Database
  readonly logger: Logger
  readonly lanes: Pick<SubscriptionLanes, 'hold'>
  /** Reads a subscription again after its state has changed. */
  readonly refresh: (id: number) => Promise<unknown>
  /** A receiver that has had no success for this many hours is disabled; 0: never. */
  readonly disableAfterHours: number
  /** Is told what was written. */
  readonly facts?: Pick<PathFacts, 'moved'>
}

/** The states of a subscription whose receiver fails, until its next success. */
export const failingStates: readonly SubscriptionState[] = ['degraded', 'circuit_open']

/** One subscription's recovery is written at most once in this time: attempts in flight still report by the old state. */
const recoveryEveryMs = 1000

/** At most this many changes go into one transaction. */
const movesMax = 500

/** The log warns when these parts of `disableAfterHours` are over, in percent. */
const warnAtPercent = [50, 70, 90] as const

/** A change that is not written yet. */
interface Waiting {
  move: StateMove
  readonly written: PromiseWithResolvers<void>
}

/**
 * Writes how receivers are doing into the state of their subscriptions: failing, circuit open, disabled, active again.
 *
 * The state is for people, and for disabling. What may be sent is decided by throttle and lanes. So a write that fails
 * is only logged: the next change writes the state, and every success reports a recovery until the state is active.
 *
 * Changes are written one batch after the other, on one connection: what changes meanwhile is the next batch. When many
 * receivers fail at once, as when a network fails, the pool is left to others.
 */
export class ReceiverStates {
  readonly #deps: ReceiverStatesDeps
  /** Recoveries being written; `again`: another success was reported since. */
  readonly #recoveries = new Map<number, { again: boolean }>()

  /** By subscription, so that there are never more of them than subscriptions. */
  readonly #waiting = new Map<number, Waiting>()
  #writing: Promise<void> | undefined

  constructor(deps: ReceiverStatesDeps) {
    this.#deps = deps
  }

  /** The receiver has failed several times in a row. */
  failing(id: number): void {
    this.#failsAgain(id)
    void this.#move(id, ['active'], 'degraded', 'the last attempts have all failed')
  }

  /** Its circuit is open until then (Unix milliseconds). A `retry_after` is the receiver's own wish, and is no state. */
  paused(id: number, until: number, reason: ReceiverPauseReason): void {
    if (reason === 'retry_after') return
    this.#failsAgain(id)
    const at = new Date(until).toISOString()
    void this.#move(
      id,
      ['active', 'degraded'],
      'circuit_open',
      `too many failures in a row; tried again with one attempt at a time from ${at} on, less and less often`,
    )
  }

  /** A success. Of a burst the first is written at once, and all others together by one more write. */
  recovered(id: number): void {
    const underWay = this.#recoveries.get(id)
    if (underWay) underWay.again = true
    else void this.#recover(id)
  }

  /** An earlier success must not be written after this failure. */
  #failsAgain(id: number): void {
    const underWay = this.#recoveries.get(id)
    if (underWay) underWay.again = false
  }

  async #recover(id: number): Promise<void> {
    const recovery = { again: true }
    this.#recoveries.set(id, recovery)
    while (recovery.again) {
      recovery.again = false
      await this.#move(id, failingStates, 'active', null)
      await new Promise(resolve => setTimeout(resolve, recoveryEveryMs).unref())
    }
    this.#recoveries.delete(id)
  }

  /** It wants nothing more: no further attempts until an operator resumes it. @param reason in words for its owner */
  gone(id: number, reason: string): void {
    void this.#move(id, ['active', ...failingStates], 'disabled', reason)
  }

  /** Warns of receivers that have failed for half of `disableAfterHours`, and disables those that have for all of it. */
  async review(): Promise<void> {
    const { database, logger, disableAfterHours } = this.#deps
    if (disableAfterHours === 0) return
    for (const { id, percent, warned } of await readFailing(database, disableAfterHours)) {
      if (percent >= 100) {
        const reason = `no success for ${disableAfterHours} hours`
        await this.#move(id, failingStates, 'disabled', reason)
        continue
      }
      const due = warnAtPercent.findLast(threshold => percent >= threshold)
      if (due === undefined || warned >= due) continue
      if (!(await markWarned(database, id, due, disableAfterHours))) continue
      logger.warn(
        { subscription_id: id, percent },
        'failing without a break; it will be disabled at 100 percent',
      )
    }
  }

  /** Resolves when it is written, or could not be. */
  #move(
    id: number,
    from: readonly SubscriptionState[],
    to: SubscriptionState,
    reason: string | null,
  ): Promise<void> {
    const move: StateMove = { id, from, to, reason, failsAnew: false }
    const waiting = this.#waiting.get(id) ?? { move, written: Promise.withResolvers<void>() }
    if (this.#waiting.has(id)) waiting.move = joinMoves(waiting.move, move)
    else this.#waiting.set(id, waiting)
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = undefined
    })
    return waiting.written.promise
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.size > 0) {
      const batch = [...this.#waiting.values()].slice(0, movesMax)
      for (const { move } of batch) this.#waiting.delete(move.id)
      await this.#write(batch.map(({ move }) => move))
      for (const { written } of batch) written.resolve()
    }
  }

  async #write(moves: readonly StateMove[]): Promise<void> {
    const { logger, refresh } = this.#deps
    try {
      const moved = await this.#inTransaction(moves)
      for (const { id, to, reason } of moved) {
        // What becomes of a receiver that is not sent to is told by those who hear of the facts.
        const level = to === 'degraded' ? 'warn' : 'info'
        logger[level]({ subscription_id: id, state: to, reason }, 'the state of a subscription has changed')
      }
      if (moved.length > 0) this.#deps.facts?.moved(moved)
      await Promise.all(moved.map(({ id }) => refresh(id)))
    } catch (error) {
      const [only] = moves
      if (isDatabaseUnavailable(error)) {
        logger.debug({ err: error, states: moves.length }, 'states of subscriptions could not be written')
      } else if (moves.length > 1) {
        for (const move of moves) await this.#write([move]) // one of them was refused
      } else {
        logger.warn(
          { err: error, subscription_id: only?.id, state: only?.to },
          'the state of a subscription could not be written',
        )
      }
    }
  }

  #inTransaction(moves: readonly StateMove[]): Promise<readonly MovedState[]> {
    const { database, lanes } = this.#deps
    const disabling = new Set(moves.filter(({ to }) => to === 'disabled').map(({ id }) => id))
    return database.transaction(async tx => {
      const moved = await moveStates(tx, moves) // in the order of ids, in which lanes are locked too
      for (const { id } of moved) if (disabling.has(id)) await lanes.hold(tx, id)
      const wanted = new Map(moves.map(move => [move.id, move]))
      return moved.flatMap(({ id, from, since }) => {
        const { to, reason } = wanted.get(id) ?? {}
        return to === undefined ? [] : [{ id, from, to, reason: reason ?? null, since }]
      })
    })
  }
}

/**
 * Two moves of one subscription as one, where the first is not written yet.
 *
 * @param later in the order in which the receiver has brought them about
 */
function joinMoves(first: StateMove, later: StateMove): StateMove {
  if (first.to === 'disabled') return first // until an operator resumes it
  if (later.to === 'disabled' || later.to === 'active') return later
  if (first.to === 'active')
    return { ...later, from: [...new Set([...first.from, ...later.from])], failsAnew: true }
  const isWorse = first.to === 'degraded' || later.to === 'circuit_open'
  return isWorse
    ? { ...later, failsAnew: first.failsAnew, from: first.failsAnew ? first.from : later.from }
    : first
}
