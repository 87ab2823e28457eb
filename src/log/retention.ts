import { maxAgeMs } from '../model/retry-policy.ts'
import { tryLockForSession } from '../platform/advisory-lock.ts'
import { besideThePath, inBatches } from '../platform/batches.ts'
import type { Clock } from '../platform/clock.ts'
import { earlierNow } from '../platform/database-time.ts'
import { type Uuid, uuidLowerBound } from '../platform/id.ts'
import type { Logger } from '../platform/logger.ts'
import type { Connection, Database, Queryable } from '../platform/postgres.ts'
import type { Subscription } from '../subscriptions/subscription.ts'
import { type OwnPeriods, ownPeriods, type RetentionPeriods } from '../tenants/retention.ts'
import { dropUnusedKept, joinKept, keepRowsOf } from './kept-partitions.ts'
import { type RemovedRows, removeOwnOf } from './own-periods.ts'
import type { PartitionedTable } from './partition-store.ts'
import {
  dropPartitions,
  endsOfPartitions,
  ensureAuditPartitions,
  ensurePartitions,
  idBefore,
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
  /** Of the log. */
  readonly retentionHours: number
  /** Where events, with their payloads, are kept for less. */
  readonly payloadHours?: number | undefined
  /** Where the details of attempts are kept for less. */
  readonly detailsHours?: number | undefined
  /** Where names that are taken once are kept for longer. */
  readonly namesHours?: number | undefined
  /** Of the audit log, which has nothing to do with events. */
  readonly auditDays: number
  readonly subscriptions: {
    /** As this process knows it; undefined: not at all, or it could not open its secrets. */
    get(id: number): Subscription | undefined
    /** Those of the ids that are in the table, whether they can be opened or not. */
    whichExist(ids: readonly number[]): Promise<ReadonlySet<number>>
  }
  /** Replaced in tests: how soon partitions that were in use are tried again. */
  readonly exchangeAgainMs?: number
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
  /** Rows of tenants that keep theirs for less than all do. */
  readonly removed: RemovedRows
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
    (await ensurePartitions(database, clock.now(), retentionHours, detailsHours, deps)) +
    (await ensureAuditPartitions(database, clock.now(), auditDays))
  const done = await besideThePath(database, 'retention', async session => {
    if (!(await tryLockForSession(session, 'retention'))) return undefined
    return new Round(deps, session, signal, await earlierNow(session, clock)).run()
  })
  if (partitionsMade > 0 && !done) logger.info({ partitionsMade }, 'made partitions')
  if (!done) return undefined
  const report = { partitionsMade, ...done }
  const { partitionsDropped, expired, cancelled, carried, removed } = report
  const rows = Object.values(removed).reduce((sum: number, count) => sum + count, 0)
  const didSomething = partitionsMade + partitionsDropped.length + expired + cancelled + carried + rows > 0
  logger[didSomething ? 'info' : 'debug'](report, 'retention')
  return report
}

type Done = Omit<RetentionReport, 'partitionsMade'>

const hourMs = 3_600_000

function unitMs(kind: keyof RetentionPeriods): number {
  return kind === 'auditDays' ? 24 * hourMs : hourMs
}

class Round {
  readonly #deps: RetentionDeps
  readonly #session: Connection
  readonly #signal: AbortSignal
  readonly #now: number
  readonly #dropped: string[] = []
  readonly #unread = new Set<number>()
  readonly #deleted = new Set<number>()
  #expired = 0
  #cancelled = 0
  #carried = 0
  readonly #removed = { events: 0, log: 0, details: 0, audit: 0 }
  /** Tenants with periods of their own. */
  #own: readonly OwnPeriods[] = []

  /** @param now Unix milliseconds, by which it is decided what is old */
  constructor(deps: RetentionDeps, session: Connection, signal: AbortSignal, now: number) {
    this.#deps = deps
    this.#session = session
    this.#signal = signal
    this.#now = now
  }

  async run(): Promise<Done> {
    this.#own = await ownPeriods(this.#session, this.#ofAll)
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
      removed: this.#removed,
      unread: this.#unread.size,
      isDone,
    }
  }

  get #ofAll(): RetentionPeriods {
    const { retentionHours: logHours, auditDays } = this.#deps
    const { payloadHours = logHours, detailsHours = logHours } = this.#deps
    return { logHours, payloadHours, detailsHours, auditDays }
  }

  /** @returns false when it was told to end before */
  async #dropOld(): Promise<boolean> {
    const { retentionHours, namesHours } = this.#deps
    await this.#drop('audit_log', 'auditDays')
    if (!(await this.#dropEvents())) return false
    if (!(await this.#removeOwn())) return false
    await this.#drop('attempt_details', 'detailsHours')
    const namesBefore = this.#now - namesKeptMs(retentionHours, namesHours)
    this.#dropped.push(...(await dropPartitions(this.#deps.database, 'taken_names', namesBefore)))
    // No log goes before the events it belongs to: where those could not be dropped yet, their hour of log stays too.
    // And none before what was carried over from its hour has shrunk to what is still owed.
    if (!(await this.#trimCarried(this.#before('payloadHours')))) return false
    await this.#drop('delivery_logs', 'logHours', await oldestMoment(this.#deps.database, 'events'))
    return this.#clearTombstones(this.#before('logHours'))
  }

  async #dropEvents(): Promise<boolean> {
    const { database } = this.#deps
    const [before, keptBefore] = [this.#before('payloadHours'), this.#keptBefore('payloadHours')]
    // What some tenants keep for longer is over for the last of them: of it goes on what is still owed, as of all.
    for (const end of await endsOfPartitions(database, 'events', keptBefore, 'kept')) {
      if (!(await this.#settleOwed(uuidLowerBound(0), uuidLowerBound(end), []))) return false
    }
    const keepers = this.#keepers('payloadHours')
    // Partition by partition, so that a backlog of millions, or a stop in the midst of it, holds up the later ones only.
    let after = uuidLowerBound(0)
    for (const end of [...(await endsOfPartitions(database, 'events', before)), before]) {
      // What was scheduled first, whole; of the rest goes on only what is still owed. Not of those who keep all of it.
      if (!(await this.#carryScheduled(after, uuidLowerBound(end), before, keepers))) return false
      if (!(await this.#settleOwed(after, uuidLowerBound(end), keepers))) return false
      await this.#drop('events', 'payloadHours', end)
      after = idBefore(end)
    }
    return true
  }

  /** Unix milliseconds: what came before is over for all who have no period of their own. */
  #before(kind: keyof RetentionPeriods): number {
    return this.#now - this.#ofAll[kind] * unitMs(kind)
  }

  /** The same for the tenant that keeps this kind for the longest. */
  #keptBefore(kind: keyof RetentionPeriods): number {
    return this.#now - this.#longest(kind) * unitMs(kind)
  }

  #longest(kind: keyof RetentionPeriods): number {
    return Math.max(this.#ofAll[kind], ...this.#own.map(({ periods }) => periods[kind]))
  }

  /** Tenants that keep this kind for longer than all do. */
  #keepers(kind: keyof RetentionPeriods): readonly string[] {
    const keep = this.#own.filter(({ periods }) => periods[kind] > this.#ofAll[kind])
    return keep.map(({ tenant }) => tenant)
  }

  /** Drops what is over of a table, but for what some tenants keep for longer. @param most what ends later stays */
  async #drop(
    table: PartitionedTable,
    kind: keyof RetentionPeriods,
    most = Number.POSITIVE_INFINITY,
  ): Promise<void> {
    const { database, logger, exchangeAgainMs } = this.#deps
    const deps = { database, logger, session: this.#session, signal: this.#signal, exchangeAgainMs }
    const before = Math.min(most, this.#before(kind))
    const keepers = this.#keepers(kind)
    await dropUnusedKept(deps, table)
    const dropped = await dropPartitions(database, table, before, {
      keptBefore: Math.min(before, this.#keptBefore(kind)),
      keepRows: partition => keepRowsOf(deps, table, partition, keepers),
    })
    this.#dropped.push(...dropped)
    const hours = (this.#longest(kind) * unitMs(kind)) / hourMs
    if (keepers.length > 0) await joinKept(deps, table, before, hours)
  }

  async #removeOwn(): Promise<boolean> {
    const { logger } = this.#deps
    const deps = { logger, session: this.#session, signal: this.#signal, now: this.#now }
    for (const own of this.#own) {
      const removed = await removeOwnOf(deps, own)
      if (removed === undefined) return false
      for (const kind of ['events', 'log', 'details', 'audit'] as const) this.#removed[kind] += removed[kind]
    }
    return true
  }

  /** @param keepers whose events need not outlive their partition, because they stay */
  async #settleOwed(after: Uuid, before: Uuid, keepers: readonly string[]): Promise<boolean> {
    const { isDone } = await this.#walk('retention', after, async (from, limit) => {
      const page = await readOwedPage(this.#session, from, before, limit)
      if (page.last === undefined) return page
      const endings = await this.#endingsOf(page.subscriptionIds)
      const { expired, cancelled, carried } = await endOrCarry(
        this.#session,
        from,
        page.last,
        endings,
        keepers,
      )
      this.#expired += expired
      this.#cancelled += cancelled
      this.#carried += carried
      return page
    })
    return isDone
  }

  async #carryScheduled(
    after: Uuid,
    end: Uuid,
    before: number,
    keepers: readonly string[],
  ): Promise<boolean> {
    const from = { deliverAt: before, webhookId: uuidLowerBound(0) }
    const { isDone } = await this.#walk('retention of scheduled events', from, (position, limit) =>
      carryScheduled(this.#session, after, end, position, limit, keepers),
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

/** Whether events of a tenant are kept: such that outlived their partition, or that it kept for longer than all do. */
export function isCarried(session: Queryable, tenant: string): Promise<boolean> {
  return hasCarried(session, tenant)
}
