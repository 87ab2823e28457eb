import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import { StartupError } from '../errors.ts'
import type { SteerableClock } from '../platform/clock.ts'
import type { Logger } from '../platform/logger.ts'
import type { Database, Queryable } from '../platform/postgres.ts'
import {
  beat,
  databaseTime,
  deleteProcess,
  insertProcess,
  type ProcessRow,
  readProcesses,
} from './presence-store.ts'
import { freeHoldings, retire } from './store.ts'

export interface PresenceDeps {
  readonly database: Pick<Database, 'transaction'>
  /** A connection of its own, so that a heartbeat never waits behind work. */
  readonly connection: Queryable
  readonly clock: SteerableClock
  readonly logger: Logger
  readonly role: string
  readonly version: string
  /** What to show of this process to operators; small. */
  readonly stats: () => object
  /** Called when holdings of a dead process went to their lanes. */
  readonly lanesDue: (dueAt: number) => void
  /** Called at the start and after each heartbeat that got through. */
  readonly onBeat: () => Promise<void>
  /** Called when this process goes on under a new id: what it held before is others' now. */
  readonly onNewOwner: () => void
  /** Called when there are more processes that deliver than before. */
  readonly onJoined?: () => void
}

const beatEveryMs = 2000

/** An answer that took longer says the time too inexactly (by up to half of it) to set the clock by. */
const steerWithinMs = 500

/** Without a sign of life for so long a process is dead to the others, and loses what it holds. */
const deadAfterMs = 10_000

/** So long after it sent its last heartbeat a process can still be sure that nobody has declared it dead. */
const sureMs = deadAfterMs - beatEveryMs

/**
 * So long after the burial of a process a statement of its own may still be committed: it was under way when it died,
 * and PostgreSQL ends what it has begun. No statement of the path may take longer, unless INGEST_TIMEOUT_MS is set high;
 * then the repair of each minute finds what comes later.
 */
const lateCommitMs = 12_000

/**
 * Makes this process known to the others and buries those that died: what they held goes to the lanes. A process of
 * the same host whose pid is gone is dead at once; any other after 10 s of silence. Silence is measured by hearing it:
 * the clock of the database may jump, and then nobody is dead. A process that was declared dead
 * though it lives (it was stopped, or cut off) gets a new id; what it still does under the old one is fenced. It begins
 * nothing while that may have happened (`isSure`), so what others have taken over is not sent by two.
 */
export class Presence {
  readonly #deps: PresenceDeps
  readonly #host = hostIdentity()
  #owner = 0
  #seat = { count: 1, rank: 0 }
  #timer: NodeJS.Timeout | undefined
  #lastBeatAt = Number.NEGATIVE_INFINITY
  #sureUntil = Number.NEGATIVE_INFINITY
  #unbrokenSince = Number.POSITIVE_INFINITY
  #beating: Promise<void> | undefined
  #burying: Promise<void> | undefined
  /** The last sign of life of each other process, and when it was first seen here. */
  readonly #signs = new Map<number, { readonly sign: string; readonly since: number }>()
  /** Those of this host that were buried of late, this one's earlier ids among them, and when (`performance.now()`). */
  readonly #buried = new Map<number, number>()

  constructor(deps: PresenceDeps) {
    this.#deps = deps
  }

  /** The id under which this process leases rows and lanes. Changes when it had been declared dead. */
  get owner(): number {
    return this.#owner
  }

  /** False when the others may have declared this process dead, and it has not heard of it yet. */
  get isSure(): boolean {
    return performance.now() < this.#sureUntil
  }

  /** How many processes deliver, and which of them this one is, in the order of their ids; as of the last beat. */
  get seat(): { readonly count: number; readonly rank: number } {
    return this.#seat
  }

  async start(): Promise<void> {
    const { clock, connection } = this.#deps
    clock.steer(await databaseTime(connection))
    this.#sureUntil = performance.now() + sureMs
    await this.#register()
    this.#lastBeatAt = performance.now()
    this.#unbrokenSince = this.#lastBeatAt
    await this.#deps.onBeat()
    await this.#bury()
    this.#timer = setInterval(() => this.#tick(), beatEveryMs)
  }

  /** Gives everything back and leaves. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await this.#beating
    await this.#burying
    ownIds.delete(this.#owner)
    await retire(this.#deps.connection, this.#owner)
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
    await this.#deps.onBeat()
    // Not waited for: what a dead process held may be much, and the next heartbeat must not be late for it.
    this.#burying ??= this.#bury()
      .catch(error => this.#deps.logger.debug({ err: error }, 'the dead are buried after the next heartbeat'))
      .finally(() => {
        this.#burying = undefined
      })
  }

  async #sayAlive(): Promise<void> {
    const sentAt = performance.now()
    const trueNow = await beat(this.#deps.connection, this.#owner, this.#deps.stats())
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
    const before = this.#owner
    this.#owner = await insertProcess(connection, { host: this.#host, pid: process.pid, role, version })
    ownIds.delete(before)
    ownIds.add(this.#owner)
    if (before === 0) return
    logger.warn({ before, now: this.#owner }, 'was declared dead while cut off; goes on under a new id')
    this.#buried.set(before, performance.now()) // what it had under way then may be committed only now
    this.#deps.onNewOwner()
  }

  async #bury(): Promise<void> {
    const all = await readProcesses(this.#deps.connection)
    const there = new Set(all.map(({ id }) => id))
    for (const id of this.#signs.keys()) if (!there.has(id)) this.#signs.delete(id)
    const dead = all.filter(other => other.id !== this.#owner && this.#isDead(other))
    const delivering = all.filter(other => other.role !== 'api' && !dead.includes(other)).map(({ id }) => id)
    delivering.sort((a, b) => a - b)
    const { count } = this.#seat
    this.#seat = { count: delivering.length, rank: Math.max(0, delivering.indexOf(this.#owner)) }
    if (delivering.length > count) this.#deps.onJoined?.()
    for (const other of dead) await this.#buryOne(other)
    await this.#freeLateRows()
  }

  async #buryOne(dead: ProcessRow): Promise<void> {
    const { database, logger, lanesDue, clock } = this.#deps
    const rows = await database.transaction(async tx => {
      return (await deleteProcess(tx, dead.id)) ? freeHoldings(tx, dead.id) : undefined
    })
    if (rows === undefined) return
    // One that is only silent may go on one day, and then holds what it writes until it hears of its burial.
    if (this.#isGone(dead)) this.#buried.set(dead.id, performance.now())
    lanesDue(clock.now())
    logger.warn(
      { process: dead.id, pid: dead.pid, recovered: rows },
      'recovered what a dead process left behind',
    )
  }

  /** Looks again at those buried of late: a row that was committed after the burial would wait for the repair. */
  async #freeLateRows(): Promise<void> {
    const { database, logger, lanesDue, clock } = this.#deps
    for (const [id, at] of this.#buried) {
      const rows = await database.transaction(tx => freeHoldings(tx, id))
      if (performance.now() - at > lateCommitMs) this.#buried.delete(id)
      if (rows === 0) continue
      lanesDue(clock.now())
      logger.warn({ process: id, recovered: rows }, 'recovered what a dead process had under way')
    }
  }

  #isGone(other: ProcessRow): boolean {
    return other.host === this.#host && !isAlive(other)
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

function isAlive(other: ProcessRow): boolean {
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
