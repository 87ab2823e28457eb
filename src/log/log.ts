import type { Member } from '../cluster/membership.ts'
import type { Delivery } from '../model/delivery.ts'
import { type ExchangeDetails, sizeOf } from '../model/exchange-details.ts'
import type { PathFacts } from '../model/path-facts.ts'
import type { LanePause } from '../model/pause.ts'
import type { Settlement } from '../model/settlement.ts'
import type { Clock } from '../platform/clock.ts'
import type { DatabaseHealth } from '../platform/database-health.ts'
import { wordsOf } from '../platform/database-trouble.ts'
import type { Uuid } from '../platform/id.ts'
import type { Logger } from '../platform/logger.ts'
import { isDatabaseUnavailable, isRefusalOfValues, type Queryable, sqlState } from '../platform/postgres.ts'
import type { Troubles, TroubleWords } from '../platform/troubles.ts'
import {
  type AttemptEntry,
  type DetailsEntry,
  isDead,
  type OwedAgain,
  recordAttempts,
  recordFinalAttempts,
} from './store.ts'

export interface DeliveryLogDeps {
  /** A connection of its own: settlements follow each other on it. */
  readonly connection: Queryable
  readonly clock: Clock
  readonly newId: () => Uuid
  readonly membership: Pick<Member, 'id'>
  readonly logger: Logger
  readonly health: Pick<DatabaseHealth, 'failed' | 'succeeded'>
  readonly troubles: Pick<Troubles, 'began' | 'ended'>
  /** Called once a delivery's settlement is committed: it is no longer in memory. @param isOver nor owed any more */
  readonly settled: (delivery: Delivery, isOver: boolean) => void
  /** Closes lanes for a while, for all processes. */
  readonly pauseLanes: (pauses: readonly LanePause[]) => Promise<void>
  /** Called when rows went back to their lanes, with the soonest time any of them is due (Unix milliseconds). */
  readonly lanesDue: (dueAt: number) => void
  /** Makes the partitions for the present moment, when the log finds none. */
  readonly ensurePartitions: () => Promise<void>
  /** Is told what was written. */
  readonly facts?: Pick<PathFacts, 'settled'>
}

/** At most this many settlements go into one transaction. */
const batchMax = 500

/**
 * How long a flush waits for more settlements, where a lane or room in memory waits for it. At full load it makes no
 * difference: with 0, 5 and 15 ms `npm run bench -- --only service` gave the same within its noise.
 */
const gatherMs = 5

/**
 * How long it waits while all that waits are first attempts and replays that succeeded: nothing waits for those, and a crash repeats
 * the deliveries of this time. Each flush is a commit, whose fsync costs more than all else in it (`npm run bench --
 * --only service --rate 200`, CPU per event at the steady rate). Not taken: commits that do not wait for the disk at all. A crash of PostgreSQL
 * would bring rows back as owed by a process that has long forgotten them.
 */
const gatherCalmMs = 100

/** With this many settlements, or after a delivery of this size, it waits no longer than `gatherMs`: they hold memory. */
const gatherCalmMax = 64
const gatherCalmBytesMax = 256 * 1024

/**
 * Details that wait to be written may take this much memory; what comes when it is taken is logged without. Only while
 * the database is away is it ever reached.
 */
const detailBytesMax = 32 * 1024 * 1024

/** After this many refusals by the database a batch is written without details: they must never stop the log. */
const refusalsMax = 3

/** What cannot be logged at all stays owed, and is sent again after this long. */
const refusedAgainMs = 3_600_000

/**
 * Writes what became of deliveries: attempts are appended in batches, and what they settle is settled in the same
 * transaction. While the database is away settlements wait here; they are as many as deliveries fit in memory, so
 * the queue needs no bound of its own.
 */
export class DeliveryLog {
  readonly #deps: DeliveryLogDeps
  #waiting: Settlement[] = []
  #writing = 0
  #detailBytes = 0
  /** Since when ids of attempts wait for their rows (Unix milliseconds). */
  #idsSince = Number.POSITIVE_INFINITY
  #flushing: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  /** When the timer ends, on the monotonic clock. */
  #flushAt = 0
  /** Something that waits is waited for. */
  #isUrgent = false
  #idle: (() => void)[] = []

  constructor(deps: DeliveryLogDeps) {
    this.#deps = deps
  }

  /** How many settlements are not committed yet. */
  get depth(): number {
    return this.#waiting.length + this.#writing
  }

  /** Since when there are ids of attempts that are not written (Unix milliseconds); Infinity: there are none. */
  get oldest(): number {
    return this.#idsSince
  }

  /** Takes a settlement; `deps.settled` is called when it is durable. */
  settle(settlement: Settlement): void {
    this.#waiting.push(this.#withinBudget(settlement))
    if (this.#waiting.length >= gatherCalmMax || isWaitedFor(settlement)) this.#isUrgent = true
    this.#schedule()
  }

  /** Resolves when all that was settled so far is committed. */
  async drained(): Promise<void> {
    if (this.depth === 0 && !this.#flushing) return
    this.#isUrgent = true
    this.#schedule()
    await new Promise<void>(resolve => this.#idle.push(resolve))
  }

  #schedule(): void {
    if (this.#flushing) return
    const waitMs = this.#isUrgent ? gatherMs : gatherCalmMs
    const flushAt = performance.now() + waitMs
    if (this.#timer) {
      if (flushAt >= this.#flushAt) return
      clearTimeout(this.#timer)
    }
    this.#flushAt = flushAt
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#flushing = this.#flush().finally(() => {
        this.#flushing = undefined
        if (this.#waiting.length > 0) this.#schedule()
        else for (const resolve of this.#idle.splice(0)) resolve()
      })
    }, waitMs)
  }

  async #flush(): Promise<void> {
    const batch = this.#waiting.splice(0, batchMax)
    this.#isUrgent = this.#waiting.length > 0
    this.#writing = batch.length
    await this.#writeAll(batch)
    this.#writing = 0
    for (const settlement of batch) {
      this.#detailBytes -= detailBytes(settlement)
      this.#deps.settled(settlement.delivery, isOver(settlement))
    }
    if (batch.length > 0) this.#deps.facts?.settled(batch)
  }

  /**
   * Writes a batch, for as long as it takes: what a receiver has answered is not thrown away. When the database refuses
   * values in it, they are looked for, so that one row does not stop all others.
   */
  async #writeAll(batch: readonly Settlement[]): Promise<void> {
    const { troubles, ensurePartitions } = this.#deps
    for (let refusals = 0; ; refusals++) {
      const refusal = await this.#tryWrite(batch, refusals < refusalsMax)
      const isOver = refusal === undefined || isRefusalOfValues(refusal)
      if (isOver) troubles.ended('database', 'log')
      if (refusal === undefined) return
      if (isOver) return this.#isolate(batch, refusal)
      troubles.began(logRefused(wordsOf(refusal), batch.length), 1)
      await ensurePartitions().catch(() => {})
      await pause(refusals)
    }
  }

  /** Halves a batch that was refused until the row is found; a batch of 500 with one such row takes 19 statements. */
  async #isolate(batch: readonly Settlement[], refusal: unknown): Promise<void> {
    const [first] = batch
    if (first === undefined) return
    if (batch.length === 1) return this.#settleRefused(first, refusal)
    const middle = batch.length >> 1
    for (const half of [batch.slice(0, middle), batch.slice(middle)]) {
      const again = await this.#tryWrite(half, true)
      if (again === undefined) continue
      if (isRefusalOfValues(again)) await this.#isolate(half, again)
      else await this.#writeAll(half)
    }
  }

  /**
   * A settlement that is refused by itself: it is written with less, until it is taken. Its verdict is kept for as long as
   * that can be; else the delivery is owed for one more attempt, an hour later, so that it neither gets lost nor stops
   * anything.
   */
  async #settleRefused(settlement: Settlement, refusal: unknown): Promise<void> {
    const { clock, logger } = this.#deps
    const { delivery } = settlement
    const about = {
      webhook_id: delivery.webhookId,
      subscription_id: delivery.subscriptionId,
      attempt: delivery.attempt,
      cause: wordsOf(refusal),
    }
    const ways = [
      [withoutDetails(settlement), 'an attempt is logged without details, which the database refuses'],
      [withoutTexts(settlement), 'an attempt is logged without its error, which the database refuses'],
      [
        { kind: 'handed_back', delivery, at: clock.now() + refusedAgainMs },
        'an attempt cannot be logged, as the database refuses it: the delivery stays owed, and is sent again in an hour',
      ],
    ] as const satisfies readonly (readonly [Settlement, string])[]
    for (const [way, words] of ways) {
      if ((await this.#tryWrite([way], false)) !== undefined) continue
      logger.error(about, words)
      return
    }
    logger.error(
      about,
      'an attempt cannot be logged, and its delivery stays owed as it is until this process ends',
    )
  }

  /**
   * Writes a batch, and waits while the database is away. @returns undefined when it is written, else the error with
   * which it was refused
   */
  async #tryWrite(batch: readonly Settlement[], withDetails: boolean): Promise<unknown> {
    const { newId, health, clock } = this.#deps
    this.#idsSince = clock.now()
    const ids = batch.map(newId)
    try {
      for (let tries = 0; ; tries++) {
        try {
          await this.#write(batch, ids, withDetails)
          health.succeeded('log')
          return undefined
        } catch (error) {
          // These ids are there already, so an earlier try was committed though its answer was lost.
          if (tries > 0 && sqlState(error) === '23505') {
            health.succeeded('log')
            return undefined
          }
          if (!isDatabaseUnavailable(error)) return error
          health.failed('log', error)
          await pause(tries)
        }
      }
    } finally {
      this.#idsSince = Number.POSITIVE_INFINITY
    }
  }

  #withinBudget(settlement: Settlement): Settlement {
    const bytes = detailBytes(settlement)
    if (this.#detailBytes + bytes > detailBytesMax) return withoutDetails(settlement)
    this.#detailBytes += bytes
    return settlement
  }

  async #write(batch: readonly Settlement[], ids: readonly Uuid[], withDetails: boolean): Promise<void> {
    const rows: AttemptEntry[] = []
    const details: DetailsEntry[] = []
    const again: OwedAgain[] = []
    for (const [index, settlement] of batch.entries()) {
      if (settlement.kind !== 'handed_back') {
        const row = rowOf(settlement, ids[index] ?? this.#deps.newId())
        rows.push(row)
        const exchange = exchangeOf(settlement)
        if (exchange && withDetails) details.push({ id: row.id, exchange })
      }
      const next = owedAgain(settlement, this.#deps.clock.now())
      if (next) again.push(next)
    }
    const isPlain = again.length === 0 && details.length === 0 && rows.every(isPlainRow)
    if (isPlain) return recordFinalAttempts(this.#deps.connection, rows)
    // The lanes first: a retry that is written below then finds its lane closed, and is not looked at too soon.
    const pauses = batch.flatMap(settlement => pauseOf(settlement) ?? [])
    if (pauses.length > 0) await this.#deps.pauseLanes(pauses)
    await recordAttempts(this.#deps.connection, this.#deps.membership.id, rows, again, details)
    if (again.length > 0) this.#deps.lanesDue(Math.min(...again.map(row => row.dueAt)))
  }
}

/** What `recordFinalAttempts` writes, where nothing is owed again. */
function isPlainRow({ errorClass, trigger, verdict, isWithoutAttempt }: AttemptEntry): boolean {
  return !errorClass && !trigger && !isDead(verdict) && !isWithoutAttempt
}

function logRefused(cause: string, settlements: number): TroubleWords {
  return {
    kind: 'database',
    subject: 'log',
    level: 'warn',
    message: 'the database refuses to take the log; tried on and on',
    cause,
    over: 'the database takes the log again',
    counts: 'tries',
    fields: { settlements },
  }
}

/**
 * Whether anything waits until it is written: a lane for its retry or its room, other processes for a pause. That is all
 * but a fresh delivery that the receiver has accepted, also one for whose lane no read waits, or a replayed one, behind which nothing waits in an order: a replay has
 * time, and each commit for it is one that fresh events may have to wait for.
 */
function isWaitedFor(settlement: Settlement): boolean {
  return (
    settlement.kind !== 'attempted' ||
    settlement.outcome.kind !== 'accepted' ||
    (settlement.delivery.lane !== null && !settlement.delivery.isUnread && !isInNoHurry(settlement)) ||
    settlement.delivery.sizeBytes > gatherCalmBytesMax ||
    settlement.pause !== undefined
  )
}

function isInNoHurry({ delivery, keepsPlace }: Extract<Settlement, { kind: 'attempted' }>): boolean {
  return delivery.trigger === 'replay' && !keepsPlace && delivery.orderingKey === undefined
}

/** 50 ms at first, later up to a second. */
function pause(tries: number): Promise<unknown> {
  return new Promise(resolve => setTimeout(resolve, Math.min(50 * 2 ** tries, 1000)))
}

function rowOf(settlement: Exclude<Settlement, { kind: 'handed_back' }>, id: Uuid): AttemptEntry {
  const { delivery, at } = settlement
  const common = {
    id,
    subscriptionId: delivery.subscriptionId,
    webhookId: delivery.webhookId,
    timestamp: at,
    attempt: delivery.attempt,
    ...(delivery.trigger && { trigger: delivery.trigger }),
  }
  if (settlement.kind === 'ended') {
    const { verdict, reason } = settlement
    return {
      ...common,
      status: 'failed',
      verdict,
      httpStatus: null,
      durationMs: null,
      nextAt: null,
      error: reason,
      isWithoutAttempt: true,
    }
  }
  const { outcome, verdict } = settlement
  const failure = outcome.kind === 'accepted' ? undefined : outcome
  return {
    ...common,
    status: failure ? 'failed' : 'success',
    verdict: verdict.kind,
    httpStatus: outcome.httpStatus ?? null,
    durationMs: outcome.durationMs,
    nextAt: verdict.kind === 'retry' ? verdict.dueAt : null,
    error: failure?.error ?? null,
    errorClass: failure?.errorClass ?? null,
    errorCode: failure?.errorCode ?? null,
  }
}

function exchangeOf(settlement: Settlement): ExchangeDetails | undefined {
  return settlement.kind === 'attempted' ? settlement.outcome.exchange : undefined
}

function detailBytes(settlement: Settlement): number {
  const exchange = exchangeOf(settlement)
  return exchange === undefined ? 0 : sizeOf(exchange)
}

function withoutDetails(settlement: Settlement): Settlement {
  if (settlement.kind !== 'attempted') return settlement
  const { exchange: _, ...outcome } = settlement.outcome
  return { ...settlement, outcome }
}

/** With nothing of an attempt that came from outside, or that closes its lane. */
function withoutTexts(settlement: Settlement): Settlement {
  const error = 'the database did not take the error of this attempt'
  if (settlement.kind === 'ended') return { ...settlement, reason: error }
  const { pause: _, ...rest } = settlement
  if (rest.kind === 'handed_back' || rest.outcome.kind === 'accepted') return rest
  const { exchange: _exchange, errorCode: _code, ...outcome } = rest.outcome
  return { ...rest, outcome: { ...outcome, error } }
}

function isOver(settlement: Settlement): boolean {
  if (settlement.kind === 'attempted') return settlement.verdict.kind !== 'retry'
  return settlement.kind === 'ended'
}

/** The next attempt of what stays owed; undefined for what is over. */
function owedAgain(settlement: Settlement, now: number): OwedAgain | undefined {
  const { delivery } = settlement
  const { webhookId, subscriptionId, attempt } = delivery
  switch (settlement.kind) {
    case 'ended':
      return undefined
    case 'handed_back': {
      const dueAt = dueAgain(delivery, settlement.at, now)
      return { webhookId, subscriptionId, attempt, nextAttempt: attempt, dueAt }
    }
    case 'attempted': {
      if (settlement.verdict.kind !== 'retry') return undefined
      const dueAt = dueAgain(delivery, settlement.keepsPlace ? delivery.dueAt : settlement.verdict.dueAt, now)
      return { webhookId, subscriptionId, attempt, nextAttempt: attempt + 1, dueAt }
    }
  }
}

/**
 * A row that waits in its lane may keep its place there. All others are due now at the soonest, also when the database
 * was away for longer than they were to wait: where a lane was found empty nobody looks for older ones (`ReadFrom`).
 */
function dueAgain(delivery: Delivery, dueAt: number, now: number): number {
  const keepsPlace = delivery.lane !== null && dueAt === delivery.dueAt
  return keepsPlace ? dueAt : Math.max(dueAt, now)
}

/**
 * The lane that a settlement closes. Where it waits for its head, that has to be owed still as it was attempted here: this
 * process may have slept while others delivered it, and what is behind it would wait for nothing.
 */
export function pauseOf(settlement: Settlement): LanePause | undefined {
  if (settlement.kind === 'ended' || !settlement.pause) return undefined
  const waitsForHead =
    settlement.kind === 'attempted' && settlement.keepsPlace && settlement.verdict.kind === 'retry'
  if (!waitsForHead) return settlement.pause
  const { webhookId, attempt } = settlement.delivery
  return { ...settlement.pause, head: { webhookId, attempt } }
}
