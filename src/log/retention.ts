import { maxAgeMs } from '../model/retry-policy.ts'
import { tryLockForSession } from '../platform/advisory-lock.ts'
import { besideThePath, inBatches } from '../platform/batches.ts'
import type { Clock } from '../platform/clock.ts'
import { type Uuid, uuidLowerBound } from '../platform/id.ts'
import type { Logger } from '../platform/logger.ts'
import type { Database, Queryable } from '../platform/postgres.ts'
import type { Subscription } from '../subscriptions/subscription.ts'
import {
  dropPartitions,
  endsOfPartitions,
  ensureAuditPartitions,
  ensurePartitions,
  namesKeptMs,
  oldestMoment,
  partitionMs,
} from './partitions.ts'
import {
  carryScheduled,
  clearTombstones,
  type Ending,
  endOrCarry,
  hasCarried,
  readOwedPage,
  trimCarried,
} from './retention-store.ts'

export interface RetentionDeps {
  readonly database: Database
  readonly clock: Clock
  readonly logger: Logger
  readonly retentionHours: number
  /** Where the details of attempts are kept for less. */
  readonly detailsHours?: number | undefined
  /** Of the audit log, which has nothing to do with events. */
  readonly auditDays: number
  readonly subscriptions: {
    /** As this process knows it; undefined: not at all, or it could not open its secrets. */
    get(id: number): Subscription | undefined
    /** Those of the ids that are in the table, whether they can be opened or not. */
    whichExist(ids: readonly number[]): Promise<ReadonlySet<number>>
  }
}

/** What one round did. */
export interface RetentionReport {
  readonly partitionsMade: number
  readonly partitionsDropped: readonly string[]
  /** Deliveries ended in the log because their policy no longer wants them, */
  readonly expired: number
  /** and because their subscription was deleted. */
  readonly cancelled: number
  /** Events kept beyond their partition because they are still owed. */
  readonly carried: number
  /** Subscriptions that exist and could not be read here: all they are owed was kept. */
  readonly unread: number
  /** Whether it came to its end. If not, the next round goes on. */
  readonly isDone: boolean
}

/**
 * One round of retention. Walks through what is owed of old events in order of their ids: what is past its policy ends in
 * the log, and what is still wanted is copied to where it outlives its partition. Behind the walk whole partitions go:
 * events first, the log last, so that no event is ever seen without the log of its hour. Nothing goes silently.
 *
 * Any process may call it at any time; one at a time does it. Cut off anywhere it leaves nothing half done: a batch is a
 * transaction, and a partition goes after all batches that lie in it.
 *
 * @returns undefined when another process is at it
 */
export async function runRetention(
  deps: RetentionDeps,
  signal: AbortSignal = new AbortController().signal,
): Promise<RetentionReport | undefined> {
  const { database, clock, logger, retentionHours, detailsHours = retentionHours, auditDays } = deps
  const partitionsMade =
    (await ensurePartitions(database, clock.now(), retentionHours, detailsHours)) +
    (await ensureAuditPartitions(database, clock.now(), auditDays))
  const done = await besideThePath(database, 'retention', async session => {
    if (!(await tryLockForSession(session, 'retention'))) return undefined
    return new Round(deps, session, signal).run()
  })
  if (partitionsMade > 0 && !done) logger.info({ partitionsMade }, 'made partitions')
  if (!done) return undefined
  const report = { partitionsMade, ...done }
  const { partitionsDropped, expired, cancelled, carried } = report
  const didSomething = partitionsMade + partitionsDropped.length + expired + cancelled + carried > 0
  logger[didSomething ? 'info' : 'debug'](report, 'retention')
  return report
}

type Done = Omit<RetentionReport, 'partitionsMade'>

const hourMs = 3_600_000

class Round {
  readonly #deps: RetentionDeps
  readonly #session: Queryable
  readonly #signal: AbortSignal
  readonly #now: number
  readonly #dropped: string[] = []
  readonly #unread = new Set<number>()
  readonly #deleted = new Set<number>()
  #expired = 0
  #cancelled = 0
  #carried = 0

  constructor(deps: RetentionDeps, session: Queryable, signal: AbortSignal) {
    this.#deps = deps
    this.#session = session
    this.#signal = signal
    this.#now = deps.clock.now()
  }

  async run(): Promise<Done> {
    const isDone = await this.#dropOld()
    if (this.#unread.size > 0) {
      this.#deps.logger.warn(
        { subscriptions: this.#unread.size, examples: [...this.#unread].slice(0, 10) },
        'subscriptions cannot be read; what they are owed is kept beyond its time',
      )
    }
    return {
      partitionsDropped: this.#dropped,
      expired: this.#expired,
      cancelled: this.#cancelled,
      carried: this.#carried,
      unread: this.#unread.size,
      isDone,
    }
  }

  /** @returns false when it was told to end before */
  async #dropOld(): Promise<boolean> {
    const { database, retentionHours, detailsHours = retentionHours, auditDays } = this.#deps
    const auditBefore = this.#now - auditDays * 24 * hourMs
    this.#dropped.push(...(await dropPartitions(database, 'audit_log', auditBefore)))
    const before = this.#now - retentionHours * hourMs
    // Partition by partition, so that a backlog of millions, or a stop in the midst of it, holds up the later ones only.
    let after = uuidLowerBound(0)
    for (const end of [...(await endsOfPartitions(database, 'events', before)), before]) {
      // What was scheduled first, whole; of the rest goes on only what is still owed.
      if (!(await this.#carryScheduled(after, uuidLowerBound(end), before))) return false
      if (!(await this.#settleOwed(after, uuidLowerBound(end)))) return false
      this.#dropped.push(...(await dropPartitions(database, 'events', end)))
      after = idBefore(end)
    }
    const detailsBefore = this.#now - detailsHours * hourMs
    this.#dropped.push(...(await dropPartitions(database, 'attempt_details', detailsBefore)))
    const namesBefore = this.#now - namesKeptMs(retentionHours)
    this.#dropped.push(...(await dropPartitions(database, 'taken_names', namesBefore)))
    // No log goes before the events it belongs to: where those could not be dropped yet, their hour of log stays too.
    // And none before what was carried over from its hour has shrunk to what is still owed.
    if (!(await this.#trimCarried(before))) return false
    const logBefore = Math.min(before, await oldestMoment(database, 'events'))
    this.#dropped.push(...(await dropPartitions(database, 'delivery_logs', logBefore)))
    return this.#clearTombstones(before)
  }

  async #settleOwed(after: Uuid, before: Uuid): Promise<boolean> {
    const { isDone } = await this.#walk('retention', after, async (from, limit) => {
      const page = await readOwedPage(this.#session, from, before, limit)
      if (page.last === undefined) return page
      const endings = await this.#endingsOf(page.subscriptionIds)
      const { expired, cancelled, carried } = await endOrCarry(this.#session, from, page.last, endings)
      this.#expired += expired
      this.#cancelled += cancelled
      this.#carried += carried
      return page
    })
    return isDone
  }

  async #carryScheduled(after: Uuid, end: Uuid, before: number): Promise<boolean> {
    const from = { deliverAt: before, webhookId: uuidLowerBound(0) }
    const { isDone } = await this.#walk('retention of scheduled events', from, (position, limit) =>
      carryScheduled(this.#session, after, end, position, limit),
    )
    return isDone
  }

  async #trimCarried(before: number): Promise<boolean> {
    // Longer than between two rounds, and than partitions of the log reach over that time.
    const closeMs = 2 * (partitionMs(this.#deps.retentionHours) + hourMs)
    const times = { before, whole: before + closeMs, now: this.#now }
    const { isDone } = await this.#walk('retention of carried events', uuidLowerBound(0), (after, limit) =>
      trimCarried(this.#session, after, times, limit),
    )
    return isDone
  }

  async #clearTombstones(before: number): Promise<boolean> {
    const { isDone } = await this.#walk('retention of tombstones', 0, (after: number, limit) =>
      clearTombstones(this.#session, after, before, limit),
    )
    return isDone
  }

  #walk<Position>(name: string, from: Position, step: Parameters<typeof inBatches<Position>>[2]) {
    return inBatches({ name, logger: this.#deps.logger, signal: this.#signal }, from, step)
  }

  async #endingsOf(subscriptionIds: readonly number[]): Promise<readonly Ending[]> {
    await this.#tellApart(subscriptionIds)
    return subscriptionIds.flatMap(id => this.#endingOf(id) ?? [])
  }

  /** Undefined: all that it is owed is kept. */
  #endingOf(subscriptionId: number): Ending | undefined {
    const { subscriptions, retentionHours } = this.#deps
    const subscription = subscriptions.get(subscriptionId)
    if (subscription) {
      const beganBefore = this.#now - maxAgeMs(subscription.retry, retentionHours * hourMs)
      return { subscriptionId, beganBefore, verdict: 'expired', reason: 'too old: its time limit has passed' }
    }
    if (!this.#deleted.has(subscriptionId)) return undefined
    return { subscriptionId, beganBefore: null, verdict: 'cancelled', reason: 'the subscription was deleted' }
  }

  /**
   * What this process does not know may have been deleted, or made elsewhere, or sealed with a key that is missing here:
   * only the table says which. Ids are never used twice, so one that is not there will not come.
   */
  async #tellApart(subscriptionIds: readonly number[]): Promise<void> {
    const { subscriptions } = this.#deps
    const unknown = subscriptionIds.filter(
      id => !subscriptions.get(id) && !this.#unread.has(id) && !this.#deleted.has(id),
    )
    if (unknown.length === 0) return
    const existing = await subscriptions.whichExist(unknown)
    for (const id of unknown) (existing.has(id) ? this.#unread : this.#deleted).add(id)
  }
}

/** An id that sorts below all of a moment (Unix milliseconds) and of all later ones, and above all that came before. */
function idBefore(ms: number): Uuid {
  return `${uuidLowerBound(ms - 1).slice(0, 13)}-ffff-ffff-ffffffffffff` as Uuid // canonical by construction
}

/** Whether events of a tenant outlive their partitions. */
export function isCarried(session: Queryable, tenant: string): Promise<boolean> {
  return hasCarried(session, tenant)
}
