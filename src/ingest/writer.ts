import type { Unwritten } from '../cluster/unwritten.ts'
import { AppError, overloaded } from '../errors.ts'
import type { PathFacts } from '../model/path-facts.ts'
import type { Clock } from '../platform/clock.ts'
import type { DatabaseHealth } from '../platform/database-health.ts'
import { Fifo } from '../platform/fifo.ts'
import { type Uuid, uuidTime, uuidV7Source } from '../platform/id.ts'
import type { Logger } from '../platform/logger.ts'
import {
  isDatabaseUnavailable,
  type Queryable,
  sqlState,
  type Transactional,
  wasNeverSent,
} from '../platform/postgres.ts'
import { CommitRate } from './commit-rate.ts'
import { NamePeriods } from './name-periods.ts'
import { NameTaken, tryAgain } from './names.ts'
import { type EventRow, insertEvents, insertWideEvents, type OwedRow, tryInsertEvent } from './store.ts'
import { findTaken, type NamesRow, type Periods } from './taken-names-store.ts'

/** An event and its owed rows, written in one transaction. */
export interface Write {
  readonly event: EventRow
  readonly owed: readonly OwedRow[]
}

/**
 * Writes events with all they owe, all or none of them, but those whose names are taken.
 *
 * @param periods where names are taken; needed when an event has some
 * @returns those whose names are taken
 */
export type InsertEvents<C extends Queryable> = (
  connection: C,
  events: readonly EventRow[],
  owed: readonly OwedRow[],
  acceptedAt: number,
  periods: Periods | undefined,
) => Promise<readonly Uuid[]>

export interface EventWriterDeps<C extends Queryable = Queryable> {
  /**
   * Each runs one transaction at a time. Accepted per second at full load: 13,400 with one connection, 14,800 with two,
   * 16,100 with three, 16,700 with four.
   */
  readonly connections: readonly C[]
  /** `insertEvents` unless given. */
  readonly insert?: InsertEvents<C>
  readonly clock: Clock
  readonly logger: Logger
  readonly health: DatabaseHealth
  /** An event that is not committed within this time is refused with 503. */
  readonly timeoutMs: number
  /** An event that would wait longer than this for its transaction is refused at once; 1 s unless given. */
  readonly waitMsMax?: number
  readonly ensurePartitions: () => Promise<void>
  /** Is told what was written. */
  readonly facts?: Pick<PathFacts, 'accepted'>
  /** Is told of events that were refused and may be committed all the same. */
  readonly unwritten?: Pick<Unwritten, 'unsure'>
  /** Called for each event that is refused since more come in than can be written. */
  readonly overloaded?: () => void
}

/**
 * One transaction takes at most this many events, and more than one only as long as they owe no more rows than this. It
 * takes no more once it has this many bytes.
 */
const batchEventsMax = 256
export const batchRowsMax = 1000
const batchBytesMax = 1024 * 1024

/**
 * Bounds of what waits to be written. Beyond one of them an event is refused with 503 at once. Usually the wait is
 * reached first. The others bound the memory while the rate of commits is not known.
 */
const waitMsMax = 1000
const waitingEventsMax = 20_000
const waitingRowsMax = 200_000
const waitingBytesMax = 64 * 1024 * 1024

interface Waiting extends Write {
  readonly since: number
  /** What it counts for in the rate: the rows that it owes, at least one. */
  readonly weight: number
  /** Its caller was answered 503, although it may still be committed. */
  isLate: boolean
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/**
 * Makes events durable, many per transaction (natural batching). An idle connection takes all waiting events at once;
 * while all connections are busy, events gather. So a single event does not wait, and under load one fsync serves many.
 * No timer is involved.
 */
export class EventWriter<C extends Queryable = Queryable> {
  readonly #deps: EventWriterDeps<C>
  readonly #insertEvents: InsertEvents<C>
  readonly #waiting = new Fifo<Waiting>()
  /** Taken by a connection, and not yet known to be committed. One for each that is busy; no Set, see `UnorderedList`. */
  readonly #writing: (readonly Waiting[])[] = []
  readonly #idle: C[]
  readonly #watch: NodeJS.Timeout
  readonly #waitMsMax: number
  readonly #rate: CommitRate
  readonly #newId: () => Uuid
  readonly #periods: NamePeriods
  #waitingBytes = 0
  #waitingWeight = 0
  /** When a transaction last ended, or one began while none was under way. */
  #progressAt = 0
  /** The value of `#progressAt` after which nothing was committed for too long. */
  #stalledSince: number | undefined
  #looksForStall = false
  #wakeUp = false

  constructor(deps: EventWriterDeps<C>) {
    this.#deps = deps
    this.#insertEvents = deps.insert ?? insertEvents
    this.#waitMsMax = deps.waitMsMax ?? waitMsMax
    this.#idle = [...deps.connections]
    this.#rate = new CommitRate(deps.connections.length, batchEventsMax)
    this.#newId = uuidV7Source(deps.clock)
    this.#periods = new NamePeriods()
    // After what has arrived was read: a process that stood still may find there that its events are committed.
    const watch = () => void setImmediate(() => this.#refuseLate())
    this.#watch = setInterval(watch, Math.min(500, deps.timeoutMs / 4))
    this.#watch.unref()
  }

  /** Events that wait for a transaction. */
  get depth(): number {
    return this.#waiting.length
  }

  /** Since when there are events here that are not written (Unix milliseconds, by their ids); Infinity: there are none. */
  get oldest(): number {
    const first = (write: Write | undefined) =>
      write === undefined ? Number.POSITIVE_INFINITY : uuidTime(write.event.webhookId)
    return Math.min(first(this.#waiting.peek()), ...this.#writing.map(([write]) => first(write)))
  }

  /**
   * Resolves when the event is committed; rejects with an `AppError` (503) when it is not, with `CommitUnknown` when it may
   * be, and with `NameTaken` when another event has one of its names.
   */
  write(write: Write): Promise<void> {
    const now = performance.now()
    if (this.#isOverloaded(now)) {
      this.#deps.health.refused(1)
      this.#deps.overloaded?.()
      return Promise.reject(
        overloaded('More events come in than can be written; send this one again shortly.'),
      )
    }
    return new Promise((resolve, reject) => {
      const weight = Math.max(1, write.owed.length)
      this.#waiting.push({ ...write, since: now, weight, isLate: false, resolve, reject })
      this.#waitingBytes += write.event.payload.length
      this.#waitingWeight += weight
      this.#wake()
    })
  }

  /**
   * Decides by the rate of commits; when nothing is committed at all, by the time since the last commit.
   *
   * The wait of the oldest event lost as a measure: everything was refused once it was too long, until the last waiting
   * event was written; then everything was accepted until it was too long again.
   */
  #isOverloaded(now: number): boolean {
    const { length } = this.#waiting
    if (length === 0) return false
    if (length >= waitingEventsMax || this.#waitingBytes >= waitingBytesMax) return true
    const weight = this.#waitingWeight
    if (weight >= waitingRowsMax) return true
    if (this.#isBusy && now - this.#progressAt > this.#waitMsMax && this.#isStalled()) return true
    return !this.#fitsNextBatches(weight) && this.#rate.waitMs(weight) > this.#waitMsMax
  }

  /**
   * Whether nothing has been committed for too long although all that has arrived was read. A process that got no processor
   * for a second has not read yet that its transactions have ended: the first events that it reads then are taken.
   */
  #isStalled(): boolean {
    if (this.#stalledSince === this.#progressAt) return true
    if (this.#looksForStall) return false
    this.#looksForStall = true
    const since = this.#progressAt
    setImmediate(() => {
      this.#looksForStall = false
      if (this.#progressAt === since) this.#stalledSince = since
    })
    return false
  }

  /**
   * Events that fit into the next transactions are never refused because of the rate. So transactions are full whenever
   * more comes in than can be written, and the measured rate is the possible one, not that of what was let in.
   */
  #fitsNextBatches(weight: number): boolean {
    const batches = this.#deps.connections.length
    return weight < batches * batchEventsMax && this.#waitingBytes < batches * batchBytesMax
  }

  get #isBusy(): boolean {
    return this.#idle.length < this.#deps.connections.length
  }

  async close(): Promise<void> {
    while (this.#waiting.length > 0 || this.#isBusy) {
      await new Promise(resolve => setTimeout(resolve, 5))
    }
    clearInterval(this.#watch)
  }

  /**
   * While events cannot be written, tries whether one could be. To be called from time to time: a load balancer that looks
   * at `/readyz` sends no event by which this would be found out.
   */
  async tryAgain(): Promise<void> {
    const { health, clock } = this.#deps
    if (!health.failing.has('events')) return
    if (!this.#isBusy) this.#progressAt = performance.now()
    const connection = this.#idle.pop()
    if (!connection) return // events are being written
    try {
      await tryInsertEvent(connection, this.#newId(), clock.now())
      health.succeeded('events')
    } catch (error) {
      health.failed('events', error)
    } finally {
      this.#progressAt = performance.now()
      this.#idle.push(connection)
      this.#flushAll()
    }
  }

  /**
   * Flushes at the end of this turn of the event loop, so that requests read in one turn share a transaction. With
   * thousands of busy connections a turn lasts for seconds, because libuv reads up to 48 times 1,024 sockets in it. So
   * a full transaction does not wait for the end of the turn, and neither do events that gathered while all were busy.
   */
  #wake(): void {
    if (this.#idle.length === 0) return
    if (this.#waiting.length >= batchEventsMax || this.#waitingWeight >= batchRowsMax) {
      this.#flushAll()
      return
    }
    if (this.#wakeUp) return
    this.#wakeUp = true
    setImmediate(() => {
      this.#wakeUp = false
      this.#flushAll()
    })
  }

  #flushAll(): void {
    while (this.#waiting.length > 0) {
      if (!this.#isBusy) this.#progressAt = performance.now()
      const connection = this.#idle.pop()
      if (!connection) return
      void this.#flush(connection).finally(() => {
        this.#progressAt = performance.now()
        this.#idle.push(connection)
        this.#flushAll()
      })
    }
  }

  async #flush(connection: C): Promise<void> {
    const batch = this.#take()
    this.#writing.push(batch)
    const weight = batch.reduce((sum, write) => sum + write.weight, 0)
    const isFull = this.#waiting.length > 0
    const beganAt = performance.now()
    try {
      await this.#commit(connection, batch)
      if (this.#waiting.length > 0) this.#rate.committed(weight, performance.now() - beganAt, isFull)
      else this.#rate.forget()
    } catch (error) {
      if (isDatabaseUnavailable(error)) this.#fail(batch, error)
      else await this.#recover(connection, batch, error)
    } finally {
      this.#writing.splice(this.#writing.indexOf(batch), 1)
    }
  }

  /** Writes a batch, and answers for each of its events. */
  async #commit(connection: C, all: readonly Waiting[]): Promise<void> {
    const periods = all.some(hasNames) ? await this.#periodsNow(connection) : undefined
    const batch = periods === undefined ? all.filter(write => !hasNames(write)) : all
    if (batch.length < all.length) this.#refuse(all.filter(hasNames), noPartition(noPartitionForNames))
    if (batch.length === 0) return
    const isRefused = new Set(await this.#insert(connection, batch, periods))
    this.#deps.health.succeeded('events')
    const refused: Waiting[] = []
    for (const write of batch) {
      if (isRefused.has(write.event.webhookId)) refused.push(write)
      else write.resolve()
    }
    this.#deps.facts?.accepted(
      refused.length === 0 ? batch : batch.filter(write => !isRefused.has(write.event.webhookId)),
    )
    if (refused.length > 0) await this.#refuseTaken(connection, refused)
  }

  /** @returns undefined when there is no partition for names, and none can be made */
  async #periodsNow(connection: C): Promise<Periods | undefined> {
    const now = this.#deps.clock.now()
    const known = await this.#periods.at(connection, now)
    if (known !== undefined) return known
    await this.#deps.ensurePartitions().catch(() => {})
    this.#periods.forget()
    return this.#periods.at(connection, now)
  }

  /** @returns the events that were not written, because their names are taken */
  async #insert(
    connection: C,
    batch: readonly Waiting[],
    periods: Periods | undefined,
    tries = 3,
  ): Promise<readonly Uuid[]> {
    try {
      return await this.#insertEvents(
        connection,
        batch.map(write => write.event),
        batch.flatMap(write => write.owed),
        this.#deps.clock.now(),
        periods,
      )
    } catch (error) {
      // Other statements took the same names at this moment. Nothing of this one was written.
      const isRace = periods !== undefined && ['40001', '40P01'].includes(sqlState(error) ?? '')
      if (!isRace || tries === 1) throw error
      return this.#insert(connection, batch, periods, tries - 1)
    }
  }

  /** Tells who has the names of these events, none of which was written. */
  async #refuseTaken(connection: C, refused: readonly Waiting[]): Promise<void> {
    try {
      const names: readonly Pick<NamesRow, 'idempotencyKey' | 'eventId'>[] = refused.map(
        ({ event }) => event.names ?? { idempotencyKey: null, eventId: null },
      )
      const taken = await findTaken(connection, names)
      for (const [index, write] of refused.entries()) {
        const found = taken[index]
        write.reject(found === undefined ? tryAgain() : new NameTaken(found))
      }
    } catch (error) {
      for (const write of refused) write.reject(error)
    }
  }

  #take(): Waiting[] {
    const batch: Waiting[] = []
    let bytes = 0
    let weight = 0
    while (batch.length < batchEventsMax && bytes < batchBytesMax) {
      const next = this.#waiting.peek()
      if (!next || (batch.length > 0 && weight + next.weight > batchRowsMax)) break
      this.#waiting.shift()
      bytes += next.event.payload.length
      weight += next.weight
      batch.push(next)
    }
    this.#waitingBytes -= bytes
    this.#waitingWeight -= weight
    return batch
  }

  /** After the server refused a batch: makes missing partitions, then writes each event alone to find the faulty one. */
  async #recover(connection: C, batch: readonly Waiting[], first: unknown): Promise<void> {
    this.#deps.logger.warn(
      { err: first, events: batch.length },
      'a batch of events was refused, trying one by one',
    )
    // 23514: there is no partition for this time, as after a jump of the clock.
    if (sqlState(first) === '23514') await this.#deps.ensurePartitions().catch(() => {})
    for (const write of batch) {
      if (write.isLate) continue
      try {
        await this.#commit(connection, [write])
      } catch (error) {
        if (isDatabaseUnavailable(error)) this.#fail([write], error)
        else if (sqlState(error) === '23514') this.#refuse([write], noPartition(error))
        else write.reject(error)
      }
    }
  }

  /** The database failed: unless the statement was never sent it may have taken effect, though the callers hear 503. */
  #fail(batch: readonly Waiting[], error: AppError): void {
    const [oldest] = batch
    const { unwritten, timeoutMs } = this.#deps
    const isUnsure = !wasNeverSent(error)
    if (isUnsure && oldest) unwritten?.unsure(uuidTime(oldest.event.webhookId), 2 * timeoutMs)
    this.#refuse(batch, isUnsure ? new CommitUnknown(error) : error)
  }

  #refuse(batch: readonly Waiting[], reason: AppError): void {
    const { health } = this.#deps
    health.failed('events', reason)
    health.refused(batch.filter(({ isLate }) => !isLate).length)
    for (const write of batch) write.reject(reason)
  }

  #refuseLate(): void {
    const oldest = performance.now() - this.#deps.timeoutMs
    for (let write = this.#waiting.peek(); write && write.since < oldest; write = this.#waiting.peek()) {
      this.#waiting.shift()
      this.#waitingBytes -= write.event.payload.length
      this.#waitingWeight -= write.weight
      this.#deps.health.refused(1)
      write.reject(tooLate())
    }
    for (const write of this.#writing.flat()) {
      if (write.isLate || write.since >= oldest) continue
      write.isLate = true
      this.#deps.health.refused(1)
      write.reject(new CommitUnknown(tooLate()))
    }
  }
}

const hasNames = ({ event }: Write): boolean => event.names !== undefined

const noPartitionForNames = new Error('there is no partition of taken_names for this time')

/** Writes events that owe more rows than one statement takes, each in a transaction of its own (`insertWideEvents`). */
export function wideEventWriter(
  deps: Omit<EventWriterDeps<Transactional>, 'insert'>,
): EventWriter<Transactional> {
  return new EventWriter<Transactional>({ ...deps, insert: insertWideEvents })
}

/** An event is refused that may be committed all the same, now or some time later. Says what its cause says. */
export class CommitUnknown extends AppError {
  constructor(cause: AppError) {
    const { code, message, retryAfterSeconds } = cause
    super(code, message, { cause, ...(retryAfterSeconds !== undefined && { retryAfterSeconds }) })
  }
}

function tooLate(): AppError {
  return overloaded('The event could not be made durable in time; send it again shortly.')
}

/** The event is right; its partition could not be made, which the housekeeping tries again. */
function noPartition(cause: unknown): AppError {
  return new AppError(
    'database_unavailable',
    'There is no place for events of this hour yet; try again shortly.',
    {
      cause,
      retryAfterSeconds: 2,
    },
  )
}
