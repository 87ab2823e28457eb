import type { Member } from '../cluster/membership.ts'
import type { Delivery } from '../model/delivery.ts'
import { type ExchangeDetails, sizeOf } from '../model/exchange-details.ts'
import type { LanePause } from '../model/pause.ts'
import type { Settlement } from '../model/settlement.ts'
import type { Clock } from '../platform/clock.ts'
import type { Uuid } from '../platform/id.ts'
import type { Logger } from '../platform/logger.ts'
import { isDatabaseUnavailable, type Queryable, sqlState } from '../platform/postgres.ts'
import {
  type AttemptEntry,
  type DetailsEntry,
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
  /** Called once a delivery's settlement is committed: it is no longer in memory. */
  readonly settled: (delivery: Delivery) => void
  /** Closes lanes for a while, for all processes. */
  readonly pauseLanes: (pauses: readonly LanePause[]) => Promise<void>
  /** Called when rows went back to their lanes, with the soonest time any of them is due (Unix milliseconds). */
  readonly lanesDue: (dueAt: number) => void
  /** Makes the partitions for the present moment, when the log finds none. */
  readonly ensurePartitions: () => Promise<void>
}

/** At most this many settlements go into one transaction. */
const batchMax = 500

/**
 * How long a flush waits for more settlements, since nobody waits for one. At full load it makes no difference:
 * with 0, 5 and 15 ms `npm run bench -- --only service` gave the same within its noise.
 */
const gatherMs = 5

/**
 * Details that wait to be written may take this much memory; what comes when it is taken is logged without. Only while
 * the database is away is it ever reached.
 */
const detailBytesMax = 32 * 1024 * 1024

/** After this many refusals by the database a batch is written without details: they must never stop the log. */
const refusalsMax = 3

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
  #flushing: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #idle: (() => void)[] = []

  constructor(deps: DeliveryLogDeps) {
    this.#deps = deps
  }

  /** How many settlements are not committed yet. */
  get depth(): number {
    return this.#waiting.length + this.#writing
  }

  /** Takes a settlement; `deps.settled` is called when it is durable. */
  settle(settlement: Settlement): void {
    this.#waiting.push(this.#withinBudget(settlement))
    this.#schedule()
  }

  /** Resolves when all that was settled so far is committed. */
  async drained(): Promise<void> {
    if (this.depth === 0 && !this.#flushing) return
    await new Promise<void>(resolve => this.#idle.push(resolve))
  }

  #schedule(): void {
    if (this.#flushing || this.#timer) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#flushing = this.#flush().finally(() => {
        this.#flushing = undefined
        if (this.#waiting.length > 0) this.#schedule()
        else for (const resolve of this.#idle.splice(0)) resolve()
      })
    }, gatherMs)
  }

  async #flush(): Promise<void> {
    const batch = this.#waiting.splice(0, batchMax)
    this.#writing = batch.length
    let ids = batch.map(this.#deps.newId)
    let pauseMs = 50
    let refusals = 0
    for (;;) {
      try {
        await this.#write(batch, ids, refusals < refusalsMax)
        break
      } catch (error) {
        // 23505: these ids are there already, so an earlier try was committed though its answer was lost.
        if (sqlState(error) === '23505') break
        // Kept and tried again for as long as it takes: what a receiver has answered is not thrown away.
        this.#deps.logger.warn(
          { err: error, settlements: this.#waiting.length + batch.length },
          'log not written, again soon',
        )
        if (!isDatabaseUnavailable(error)) {
          refusals++
          ids = batch.map(this.#deps.newId) // of the present moment, for which there are partitions now
          await this.#deps.ensurePartitions().catch(() => {})
        }
        await new Promise(resolve => setTimeout(resolve, pauseMs))
        pauseMs = Math.min(pauseMs * 2, 1000)
      }
    }
    this.#writing = 0
    for (const settlement of batch) {
      this.#detailBytes -= detailBytes(settlement)
      this.#deps.settled(settlement.delivery)
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
    const isPlain = again.length === 0 && details.length === 0 && rows.every(row => !row.errorClass)
    if (isPlain) return recordFinalAttempts(this.#deps.connection, rows)
    // The lanes first: a retry that is written below then finds its lane closed, and is not looked at too soon.
    const pauses = batch.flatMap(settlement => pauseOf(settlement) ?? [])
    if (pauses.length > 0) await this.#deps.pauseLanes(pauses)
    await recordAttempts(this.#deps.connection, this.#deps.membership.id, rows, again, details)
    if (again.length > 0) this.#deps.lanesDue(Math.min(...again.map(row => row.dueAt)))
  }
}

function rowOf(settlement: Exclude<Settlement, { kind: 'handed_back' }>, id: Uuid): AttemptEntry {
  const { delivery, at } = settlement
  const common = {
    id,
    subscriptionId: delivery.subscriptionId,
    webhookId: delivery.webhookId,
    timestamp: at,
    attempt: delivery.attempt,
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
