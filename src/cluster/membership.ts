import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import { StartupError } from '../errors.ts'
import type { SteerableClock } from '../platform/clock.ts'
import { databaseTime } from '../platform/database-time.ts'
import type { Logger } from '../platform/logger.ts'
import type { Database, Queryable } from '../platform/postgres.ts'
import { beat, declareDead, insertProcess, type ProcessRow, readProcesses, removeProcess } from './store.ts'

/** What a process does: everything, accept events only, or deliver only. */
export type Role = 'all' | 'api' | 'worker'

/** Which of the processes that deliver this one is, counted from 0 in an order that is the same for all of them. */
export interface Position {
  readonly count: number
  readonly index: number
}

/** This process among the others, as the parts that lease something need to know it. */
export interface Member {
  /** The id under which it leases rows and lanes. Changes when others had declared it dead. */
  readonly id: number
  /** False when others may have declared it dead, and taken over what it holds, and it has not heard of it yet. */
  readonly isSure: boolean
  /** As of the last heartbeat. */
  readonly position: Position
}

export interface MembershipDeps {
  readonly database: Pick<Database, 'transaction'>
  /** A connection of its own, so that a heartbeat never waits behind work. */
  readonly connection: Queryable
  readonly clock: SteerableClock
  readonly logger: Logger
  readonly role: Role
  readonly version: string
  /** Puts what a process held into the lanes. @returns how many deliveries there were */
  readonly recover: (db: Queryable, id: number) => Promise<number>
}

/** What others want to hear of the membership; see `Membership.on`. */
export interface MembershipListeners {
  /** At the start and after each heartbeat that got through; awaited. */
  readonly beat: () => Promise<void>
  /** This process goes on under a new id: what it held before is others' now. */
  readonly newId: () => void
  /** More processes deliver than before. */
  readonly joined: () => void
  /** What a dead process held went to the lanes, due at this time (Unix milliseconds). */
  readonly recovered: (dueAt: number) => void
}

const beatEveryMs = 2000

/** An answer that took longer says the time too inexactly (by up to half of it) to set the clock by. */
const steerWithinMs = 500

/** After this long without a sign of life a process is dead to the others, and loses what it holds. */
const deadAfterMs = 10_000

/** For this long after it sent its last heartbeat a process can be sure that nobody has declared it dead. */
const sureMs = deadAfterMs - beatEveryMs

/**
 * A statement that a process had under way when it died may still be committed this long after it was declared dead:
 * PostgreSQL ends what it has begun. No statement of the path may take longer, unless INGEST_TIMEOUT_MS is set high;
 * then the repair of each minute finds what comes later.
 */
const lateCommitMs = 12_000

/**
 * Makes this process known to the others and cleans up after those that died: what they held goes to the lanes. A
 * process of the same host whose pid is gone is dead at once; any other after 10 s of silence. Silence is measured here
 * by what is heard, not by times in the database, whose clock may jump. A process that was declared dead though it lives
 * (it was stopped, or cut off) gets a new id; what it still does under the old one is fenced. While that may have
 * happened (`isSure` is false) it begins nothing, so that what others have taken over is not sent by two.
 */
export class Membership implements Member {
  readonly #deps: MembershipDeps
  readonly #host = hostIdentity()
  readonly #listeners: { readonly [Name in keyof MembershipListeners]: MembershipListeners[Name][] } = {
    beat: [],
    newId: [],
    joined: [],
    recovered: [],
  }
  #stats: () => object = () => ({})
  #id = 0
  #position: Position = { count: 1, index: 0 }
  #timer: NodeJS.Timeout | undefined
  #lastBeatAt = Number.NEGATIVE_INFINITY
  #sureUntil = Number.NEGATIVE_INFINITY
  #unbrokenSince = Number.POSITIVE_INFINITY
  #beating: Promise<void> | undefined
  #cleaning: Promise<void> | undefined
  /** The last sign of life of each other process, and when it was first seen here. */
  readonly #signs = new Map<number, { readonly sign: string; readonly since: number }>()
  /** Those of this host that were declared dead of late, this one's earlier ids among them, and when (`performance.now()`). */
  readonly #diedLately = new Map<number, number>()

  constructor(deps: MembershipDeps) {
    this.#deps = deps
  }

  get id(): number {
    return this.#id
  }

  get isSure(): boolean {
    return performance.now() < this.#sureUntil
  }

  get position(): Position {
    return this.#position
  }

  /** Subscribes to what happens to this process among the others; to be called before `start`. */
  on<Name extends keyof MembershipListeners>(name: Name, listener: MembershipListeners[Name]): void {
    this.#listeners[name].push(listener)
  }

  /** @param stats what to show of this process to operators with each heartbeat; small */
  describe(stats: () => object): void {
    this.#stats = stats
  }

  async start(): Promise<void> {
    const { clock, connection } = this.#deps
    clock.steer(await databaseTime(connection))
    this.#sureUntil = performance.now() + sureMs
    await this.#register()
    this.#lastBeatAt = performance.now()
    this.#unbrokenSince = this.#lastBeatAt
    for (const listener of this.#listeners.beat) await listener()
    await this.#lookAtOthers()
    this.#timer = setInterval(() => this.#tick(), beatEveryMs)
  }

  /** Gives everything back and leaves. */
  async stop(): Promise<void> {
    const { connection, recover } = this.#deps
    clearInterval(this.#timer)
    await this.#beating
    await this.#cleaning
    ownIds.delete(this.#id)
    await recover(connection, this.#id)
    await removeProcess(connection, this.#id)
  }

  #tick(): void {
    // A slow database makes beats overlap; one at a time is enough.
    this.#beating ??= this.#beatOnce()
      .catch(error => {
        const level = error instanceof StartupError ? 'error' : 'debug' // the first means: for good
        this.#deps.logger[level]({ err: error }, 'no heartbeat')
      })
      .finally(() => {
        this.#beating = undefined
      })
  }

  async #beatOnce(): Promise<void> {
    await this.#sayAlive().catch(error => {
      this.#unbrokenSince = Number.POSITIVE_INFINITY
      throw error
    })
    for (const listener of this.#listeners.beat) await listener()
    // Not waited for: what a dead process held may be much, and the next heartbeat must not be late for it.
    this.#cleaning ??= this.#lookAtOthers()
      .catch(error =>
        this.#deps.logger.debug({ err: error }, 'dead processes are looked for after the next heartbeat'),
      )
      .finally(() => {
        this.#cleaning = undefined
      })
  }

  async #sayAlive(): Promise<void> {
    const sentAt = performance.now()
    const trueNow = await beat(this.#deps.connection, this.#id, this.#stats())
    const receivedAt = performance.now()
    if (trueNow === undefined) await this.#register()
    else if (receivedAt - sentAt < steerWithinMs) this.#deps.clock.steer(trueNow + (receivedAt - sentAt) / 2)
    const wasBroken = receivedAt - this.#lastBeatAt > 2 * beatEveryMs
    if (wasBroken || this.#unbrokenSince === Number.POSITIVE_INFINITY) this.#unbrokenSince = receivedAt
    this.#lastBeatAt = receivedAt
    this.#sureUntil = sentAt + sureMs // others count from when they saw it, which was not before it was sent
  }

  async #register(): Promise<void> {
    const { connection, role, version, logger } = this.#deps
    const before = this.#id
    this.#id = await insertProcess(connection, { host: this.#host, pid: process.pid, role, version })
    ownIds.delete(before)
    ownIds.add(this.#id)
    if (before === 0) return
    logger.warn({ before, now: this.#id }, 'was declared dead while cut off; goes on under a new id')
    this.#diedLately.set(before, performance.now()) // what it had under way then may be committed only now
    for (const listener of this.#listeners.newId) listener()
  }

  async #lookAtOthers(): Promise<void> {
    const all = await readProcesses(this.#deps.connection)
    const there = new Set(all.map(({ id }) => id))
    for (const id of this.#signs.keys()) if (!there.has(id)) this.#signs.delete(id)
    const dead = all.filter(other => other.id !== this.#id && this.#isDead(other))
    const delivering = all.filter(other => other.role !== 'api' && !dead.includes(other)).map(({ id }) => id)
    delivering.sort((a, b) => a - b)
    const { count } = this.#position
    this.#position = { count: delivering.length, index: Math.max(0, delivering.indexOf(this.#id)) }
    if (delivering.length > count) for (const listener of this.#listeners.joined) listener()
    for (const other of dead) await this.#cleanUpAfter(other)
    await this.#recoverLateCommits()
  }

  async #cleanUpAfter(dead: ProcessRow): Promise<void> {
    const { database, logger, recover } = this.#deps
    const rows = await database.transaction(async tx => {
      return (await declareDead(tx, dead.id)) ? recover(tx, dead.id) : undefined
    })
    if (rows === undefined) return
    // One that is only silent may go on one day, and then holds what it writes until it hears that it was declared dead.
    if (this.#isGone(dead)) this.#diedLately.set(dead.id, performance.now())
    this.#tellRecovered()
    logger.warn(
      { process: dead.id, pid: dead.pid, recovered: rows },
      'recovered what a dead process left behind',
    )
  }

  /** Looks again at those that died of late: a row that was committed afterwards would wait for the repair. */
  async #recoverLateCommits(): Promise<void> {
    const { database, logger, recover } = this.#deps
    for (const [id, at] of this.#diedLately) {
      const rows = await database.transaction(tx => recover(tx, id))
      if (performance.now() - at > lateCommitMs) this.#diedLately.delete(id)
      if (rows === 0) continue
      this.#tellRecovered()
      logger.warn({ process: id, recovered: rows }, 'recovered what a dead process had under way')
    }
  }

  #tellRecovered(): void {
    const now = this.#deps.clock.now()
    for (const listener of this.#listeners.recovered) listener(now)
  }

  #isGone(other: ProcessRow): boolean {
    return other.host === this.#host && !runsHere(other)
  }

  #isDead(other: ProcessRow): boolean {
    if (this.#isGone(other)) return true
    const now = performance.now()
    const seen = this.#signs.get(other.id)
    if (seen?.sign !== other.sign) {
      this.#signs.set(other.id, { sign: other.sign, since: now })
      return false
    }
    // When the database was away, everybody was silent: only who has heard it without a break may judge.
    return now - Math.max(seen.since, this.#unbrokenSince) > deadAfterMs
  }
}

/** The ids that belong to this very process; it can hold more than one service, as tests do. */
const ownIds = new Set<number>()

/** Whether a process of this host still runs. */
function runsHere(other: ProcessRow): boolean {
  // Our own number on a row that is not ours: an earlier life, before a restart gave the number out again.
  if (other.pid === process.pid) return ownIds.has(other.id)
  try {
    process.kill(other.pid, 0)
    return true
  } catch (error) {
    return !(error instanceof Error && 'code' in error && error.code === 'ESRCH')
  }
}

/**
 * Names the set of processes among which a pid means the same: this host, since it was booted, in this container.
 */
function hostIdentity(): string {
  const read = (work: () => string): string => {
    try {
      return work().trim()
    } catch {
      return '' // not Linux
    }
  }
  const boot = read(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8'))
  const namespace = read(() => readlinkSync('/proc/self/ns/pid'))
  return [hostname(), boot, namespace].filter(part => part !== '').join('/')
}

/** The ids of all processes that nobody has declared dead. */
export async function readLiving(db: Queryable): Promise<ReadonlySet<number>> {
  return new Set((await readProcesses(db)).map(({ id }) => id))
}
