import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import { StartupError } from '../errors.ts'
import type { SteerableClock } from '../platform/clock.ts'
import type { DatabaseHealth } from '../platform/database-health.ts'
import { databaseTime } from '../platform/database-time.ts'
import type { Logger } from '../platform/logger.ts'
import type { Queryable } from '../platform/postgres.ts'
import { RepeatedFailure } from '../platform/repeated-failure.ts'
import { HeldSince } from './held-since.ts'
import {
  beat,
  type DeadProcess,
  declareDead,
  enterDead,
  forgetDead,
  insertProcess,
  markFreed,
  type ProcessRow,
  readDead,
  readProcesses,
} from './store.ts'
import { Unwritten } from './unwritten.ts'

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
  /** A connection for the heartbeat alone, so that it waits for nothing else. */
  readonly connection: Queryable
  /** For all other statements. */
  readonly control: Queryable
  readonly health: Pick<DatabaseHealth, 'failed' | 'succeeded'>
  readonly clock: SteerableClock
  readonly logger: Logger
  readonly role: Role
  readonly version: string
  /** Puts what a process held into the lanes. */
  readonly recover: (held: Holdings, signal: AbortSignal) => Promise<Recovered>
  /**
   * Rows that are leased to this process though it does not hold them are no older than this: those that are being
   * written, those whose commit it has not heard of, those it was not told of. They are known of then, or freed.
   */
  readonly unheardMs: number
  /** Replaced in tests, which wait for a heartbeat. */
  readonly beatEveryMs?: number | undefined
}

/** What a process left behind. */
export interface Holdings {
  readonly id: number
  /** No row of it is older (Unix milliseconds). */
  readonly from: number
}

/** What became of it: freed so far, and whether nothing is left; or another process is at it. */
export type Recovered =
  | { readonly kind: 'recovered'; readonly deliveries: number; readonly isDone: boolean }
  | { readonly kind: 'busy' }

/** What others want to hear of the membership; see `Membership.on`. */
export interface MembershipListeners {
  /** At the start, awaited; and after each heartbeat that got through, unless the one before is still at work. */
  readonly beat: () => Promise<void>
  /** This process goes on under a new id: what it held before is others' now. */
  readonly newId: () => void
  /** More processes deliver than before. */
  readonly joined: () => void
  /** What a dead process held went to the lanes, due at this time (Unix milliseconds). */
  readonly recovered: (dueAt: number) => void
}

const usualBeatEveryMs = 2000

/** An answer that took longer says the time too inexactly (by up to half of it) to set the clock by. */
const steerWithinMs = 500

/** After this long without a sign of life a process is dead to the others, and loses what it holds. */
const deadAfterMs = 10_000

/** For this long after it sent its last heartbeat a process can be sure that nobody has declared it dead. */
const sureMs = deadAfterMs - usualBeatEveryMs

/**
 * A statement that a process had under way when it died may still be committed this long after it was declared dead:
 * PostgreSQL ends what it has begun. No statement of the path may take longer, unless INGEST_TIMEOUT_MS is set high;
 * then the repair of each minute finds what comes later.
 */
const lateCommitMs = 12_000

/** Whoever frees what a dead process held also looks for late commits. After this long another one does. */
const takeOverMs = 60_000

/**
 * Makes this process known to the others and cleans up after those that died: what they held goes to the lanes. Each
 * process says with its heartbeat since when it has held what it holds, so that the cost of that is what came in since
 * then, whatever is owed besides. A
 * process of the same host whose pid is gone is dead at once; any other after 10 s of silence. Silence is measured here
 * by what is heard, not by times in the database, whose clock may jump. A process that was declared dead though it lives
 * (it was stopped, or cut off) gets a new id; what it still does under the old one is fenced. While that may have
 * happened (`isSure` is false) it begins nothing, so that what others have taken over is not sent by two.
 */
export class Membership implements Member {
  readonly #deps: MembershipDeps
  readonly #beatEveryMs: number
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
  /** What a heartbeat was followed by, and is still at work. */
  readonly #following = new Map<() => Promise<void>, Promise<unknown>>()
  readonly #look = () => this.#lookAtOthers().finally(() => this.#clean())
  #cleaning: Promise<void> | undefined
  readonly #failures = new Map<() => Promise<void>, RepeatedFailure>()
  readonly #cleaningFailure: RepeatedFailure
  /** A newer version has made a change that this one must not run beside. */
  #isShutOut = false
  readonly #stopping = new AbortController()
  /** Deliveries that are leased to this process, and that it holds. */
  readonly held = new HeldSince()
  /** From when on this process has made ids whose rows may be missing. */
  readonly unwritten: Unwritten
  /** What was said of them with the last heartbeat. */
  #heldFrom = 0
  /** The last sign of life of each other process, and when it was first seen here. */
  readonly #signs = new Map<number, { readonly sign: string; readonly since: number }>()
  /** When each of the dead was first seen among them (`performance.now()`), and those that this process has freed. */
  readonly #deadSince = new Map<number, { readonly at: number; isFreedHere: boolean }>()

  constructor(deps: MembershipDeps) {
    this.#deps = deps
    this.#beatEveryMs = deps.beatEveryMs ?? usualBeatEveryMs
    this.#cleaningFailure = new RepeatedFailure(
      deps.logger,
      'what a dead process held could not be freed; tried again after the next heartbeat',
    )
    this.unwritten = new Unwritten(deps.clock)
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
    await this.#look()
    this.#timer = setInterval(() => this.#tick(), this.#beatEveryMs)
  }

  /**
   * Leaves, and gives everything back. What it does not come to before the signal is aborted another process does, or the
   * next one to start.
   */
  async stop(signal: AbortSignal = new AbortController().signal): Promise<void> {
    const { control, recover } = this.#deps
    clearInterval(this.#timer)
    this.#stopping.abort()
    await this.#beating
    await Promise.all(this.#following.values())
    await this.#cleaning
    const id = this.#id
    forgetOwn(id)
    if (!(await declareDead(control, id))) return // it was declared dead by others, who see to the rest
    // It stays among the dead: others look for what it had under way, which may be committed when it has ended.
    await recover({ id, from: this.#heldFrom }, signal)
  }

  #tick(): void {
    // A slow database makes beats overlap; one at a time is enough.
    this.#beating ??= this.#sayAlive()
      .then(
        () => this.#beatGotThrough(),
        error => this.#beatFailed(error),
      )
      .finally(() => {
        this.#beating = undefined
      })
  }

  #beatFailed(error: unknown): void {
    this.#unbrokenSince = Number.POSITIVE_INFINITY
    this.#deps.health.failed('heartbeat', error)
    if (!(error instanceof StartupError) || this.#isShutOut) return
    this.#isShutOut = true
    this.#deps.logger.error({ err: error }, 'no heartbeat any more')
  }

  /** What follows a heartbeat may be much. So the next one does not wait for it, and neither do the others that follow. */
  #beatGotThrough(): void {
    this.#deps.health.succeeded('heartbeat')
    for (const work of [...this.#listeners.beat, this.#look]) this.#follow(work)
  }

  #follow(work: () => Promise<void>): void {
    if (this.#following.has(work)) return
    const failure = this.#failures.get(work) ?? new RepeatedFailure(this.#deps.logger, failedBeside)
    this.#failures.set(work, failure)
    const run = work()
      .then(
        () => failure.succeeded(),
        error => failure.failed(error),
      )
      .finally(() => this.#following.delete(work))
    this.#following.set(work, run)
  }

  #clean(): void {
    if (this.#stopping.signal.aborted) return
    this.#cleaning ??= this.#cleanUp()
      .then(
        () => this.#cleaningFailure.succeeded(),
        error => this.#cleaningFailure.failed(error),
      )
      .finally(() => {
        this.#cleaning = undefined
      })
  }

  async #sayAlive(): Promise<void> {
    const sentAt = performance.now()
    const { clock, connection, unheardMs } = this.#deps
    const oldestHeldAt = Math.min(this.held.oldest(), clock.now() - unheardMs)
    const unwrittenFrom = this.unwritten.oldest()
    const said = { stats: this.#stats(), oldestHeldAt, unheardMs, unwrittenFrom }
    const trueNow = await beat(connection, this.#id, said)
    const receivedAt = performance.now()
    if (trueNow === undefined) await this.#register()
    else {
      this.#heldFrom = Math.min(oldestHeldAt, trueNow - unheardMs)
      if (receivedAt - sentAt < steerWithinMs) clock.steer(trueNow + (receivedAt - sentAt) / 2)
    }
    const wasBroken = receivedAt - this.#lastBeatAt > 2 * this.#beatEveryMs
    if (wasBroken || this.#unbrokenSince === Number.POSITIVE_INFINITY) this.#unbrokenSince = receivedAt
    this.#lastBeatAt = receivedAt
    this.#sureUntil = sentAt + sureMs // others count from when they saw it, which was not before it was sent
  }

  async #register(): Promise<void> {
    const { connection, clock, role, version, logger, unheardMs } = this.#deps
    const before = this.#id
    if (before !== 0) {
      this.#sureUntil = Number.NEGATIVE_INFINITY
      // What it had under way when it was cut off may be committed only now, when others have looked for the last time.
      await enterDead(connection, before, this.#heldFrom)
    }
    this.#id = await insertProcess(
      connection,
      { host: this.#host, pid: process.pid, role, version },
      unheardMs,
      this.unwritten.oldest(),
    )
    this.#heldFrom = clock.now() - unheardMs
    forgetOwn(before)
    ownIds.set(this.#id, (ownIds.get(this.#id) ?? 0) + 1)
    if (before === 0) return
    logger.warn({ before, now: this.#id }, 'was declared dead while cut off; goes on under a new id')
    for (const listener of this.#listeners.newId) listener()
  }

  async #lookAtOthers(): Promise<void> {
    const all = await readProcesses(this.#deps.control)
    const there = new Set(all.map(({ id }) => id))
    for (const id of this.#signs.keys()) if (!there.has(id)) this.#signs.delete(id)
    const dead = all.filter(other => other.id !== this.#id && this.#isDead(other))
    const delivering = all.filter(other => other.role !== 'api' && !dead.includes(other)).map(({ id }) => id)
    delivering.sort((a, b) => a - b)
    const { count } = this.#position
    this.#position = { count: delivering.length, index: Math.max(0, delivering.indexOf(this.#id)) }
    if (delivering.length > count) for (const listener of this.#listeners.joined) listener()
    for (const { id, pid } of dead) {
      if (await declareDead(this.#deps.control, id))
        this.#deps.logger.warn({ process: id, pid }, 'a process has died')
    }
  }

  /** Frees what the dead have held. Once that is done, looks for what they had under way, until nothing more can come. */
  async #cleanUp(): Promise<void> {
    const { control } = this.#deps
    const dead = await readDead(control)
    const ids = new Set(dead.map(({ id }) => id))
    for (const id of this.#deadSince.keys()) if (!ids.has(id)) this.#deadSince.delete(id)
    for (const one of dead) {
      if (this.#stopping.signal.aborted) return
      const now = performance.now()
      const seen = this.#deadSince.get(one.id) ?? { at: now, isFreedHere: false }
      this.#deadSince.set(one.id, seen)
      if (!one.isFreed) {
        if (!(await this.#free(one.id, one.heldFrom ?? 0))) continue
        await markFreed(control, one.id)
        seen.isFreedHere = true
      } else if (seen.isFreedHere || now - seen.at > takeOverMs) await this.#freeLate(one, now - seen.at)
    }
  }

  /** Looks at what may have been committed since all was freed; the last time when no statement of then can still run. */
  async #freeLate({ id, heldFrom }: DeadProcess, deadForMs: number): Promise<void> {
    const { clock, control, unheardMs } = this.#deps
    // Where it has not said how far back it goes: what is committed late came in shortly before it died.
    const from = heldFrom ?? clock.now() - deadForMs - deadAfterMs - unheardMs
    if ((await this.#free(id, from)) && deadForMs > lateCommitMs) await forgetDead(control, id)
  }

  /** @returns whether nothing is left */
  async #free(id: number, from: number): Promise<boolean> {
    const recovered = await this.#deps.recover({ id, from }, this.#stopping.signal)
    if (recovered.kind === 'busy') return false
    if (recovered.deliveries > 0) {
      const { deliveries } = recovered
      this.#deps.logger.warn({ process: id, recovered: deliveries }, 'recovered what a dead process held')
    }
    this.#tellRecovered()
    return recovered.isDone
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

const failedBeside = 'what follows a heartbeat failed; it is done again after the next one'

/** The ids that belong to this very process, and to how many: it can hold services of several databases, as tests do. */
const ownIds = new Map<number, number>()

function forgetOwn(id: number): void {
  const left = (ownIds.get(id) ?? 0) - 1
  if (left > 0) ownIds.set(id, left)
  else ownIds.delete(id)
}

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

/** Declares all processes dead that there are: of a database that was restored, none of them lives. */
export async function declareAllDead(db: Queryable): Promise<void> {
  for (const { id } of await readProcesses(db)) await declareDead(db, id)
}
