import type { ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError, overloaded, validationFailed } from '../errors.ts'
import type { Caller } from '../model/caller.ts'
import type { LiveSource } from '../model/live-source.ts'
import type { Clock } from '../platform/clock.ts'
import { type Uuid, uuidLowerBound, uuidTime } from '../platform/id.ts'
import type { Logger } from '../platform/logger.ts'
import type { Queryable } from '../platform/postgres.ts'
import { CatchUp } from './catch-up.ts'
import { EventStream } from './event-stream.ts'
import type { StreamFilter } from './filter.ts'
import { Tail, type TailDeps } from './tail.ts'

export interface LiveDeps {
  readonly tail: Omit<TailDeps, 'sources' | 'logger'>
  /** For what readers have missed. */
  readonly database: Queryable
  readonly sources: readonly LiveSource[]
  readonly clock: Clock
  readonly logger: Logger
  /** At most this many streams are open. */
  readonly streamsMax: number
  /** How long the log of a tenant is kept, or that of all (null). What is older is not told any more. */
  readonly retentionMs: (tenant: string | null) => number | Promise<number>
  /** A stream that tells nothing sends a comment this often; 15 s unless given. */
  readonly heartbeatMs?: number
  /** Milliseconds that never jump; replaced in tests. */
  readonly monotonicNow?: () => number
}

/** Who reads a stream, and what of it. */
export interface StreamRequest {
  readonly caller: Caller
  readonly filter: StreamFilter
  /** The last that the reader has; undefined: it begins with the present. */
  readonly lastId: Uuid | undefined
  /** From when on there is something to tell (Unix milliseconds); see `oldest`. */
  readonly oldest: number
  /** Whether the reader may still read; asked from time to time. */
  readonly isAllowed: () => boolean | Promise<boolean>
}

interface Open {
  readonly stream: EventStream
  readonly reader: string
  readonly isAllowed: StreamRequest['isAllowed']
}

/** Proxies close what is silent for a minute, or for half of one. */
const heartbeatMs = 15_000
/**
 * At most this many readers are asked at a time whether they may still read: for one with a session the database is asked, and
 * it is not asked for more than a hundred sessions and unknown keys at a time (`Callers`).
 */
const looksMax = 10
/** Between rounds that follow each other. */
const restMs = 250

/** What waits for all readers together; each has its part of it, */
const bufferedBytesMax = 64 * 1024 * 1024
/** but no more than this, and no less: Node tells of a reader that has caught up only above 64 KiB. */
const bytesMaxEach = 1024 * 1024
const bytesMinEach = 128 * 1024

/** A key may have this part of all streams. */
const partOfKey = 1 / 4

/** An id can be ahead of the clock by a little. */
const aheadMs = 60_000

/** The event stream: what happens, told to those who listen. With nobody listening it does nothing. */
export class Live {
  readonly #deps: LiveDeps
  readonly #tail: Tail
  readonly #catchUp: CatchUp
  readonly #open = new Map<EventStream, Open>()
  #heartbeat: NodeJS.Timeout | undefined
  #isLooking = false
  #isAskedAgain = false
  #isClosed = false

  constructor(deps: LiveDeps) {
    const { sources, logger, database } = deps
    this.#deps = deps
    this.#tail = new Tail({ ...deps.tail, sources, logger })
    this.#catchUp = new CatchUp({ database, sources, logger, tail: this.#tail })
  }

  /** How many streams are open. */
  get size(): number {
    return this.#open.size
  }

  /** No stream is begun any more: one that is asked for ends at once, and its reader comes back. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  /** From when on what a tenant has is kept, or what all have (null), in Unix milliseconds. */
  async oldest(tenant: string | null): Promise<number> {
    return this.#deps.clock.now() - (await this.#deps.retentionMs(tenant))
  }

  /** @throws AppError when no more streams may be opened, by this reader or at all; when `lastId` cannot be of a stream */
  check({ caller, lastId }: Pick<StreamRequest, 'caller' | 'lastId'>): void {
    const { streamsMax, clock } = this.#deps
    if (lastId !== undefined && uuidTime(lastId) > clock.now() + aheadMs) {
      throw validationFailed([
        { pointer: 'last-event-id', detail: 'Give the id of an event of this stream, or leave it out.' },
      ])
    }
    if (this.#open.size >= streamsMax) {
      throw overloaded(
        `This process has as many event streams open as it may (${streamsMax}). Close one, or ask again later.`,
      )
    }
    const reader = readerOf(caller)
    const most = Math.max(1, Math.floor(streamsMax * partOfKey))
    if (caller.actor.kind === 'operator') return
    const own = [...this.#open.values()].filter(one => one.reader === reader).length
    if (own >= most) {
      throw new AppError(
        'too_many_streams',
        `This key has ${own} event streams open, which is as many as it may. Close one before you open another.`,
        { retryAfterSeconds: 5 },
      )
    }
  }

  /** Begins a stream, whose head was written. It ends with its connection. */
  open(response: ServerResponse, { caller, filter, lastId, oldest, isAllowed }: StreamRequest): void {
    if (response.destroyed) return // its reader has left already, and nothing would say so once more
    const stream = new EventStream(
      {
        response,
        filter,
        bytesMax: () => Math.min(bytesMaxEach, Math.max(bytesMinEach, bufferedBytesMax / this.#open.size)),
        ended: () => this.#ended(stream),
        monotonicNow: this.#deps.monotonicNow ?? (() => performance.now()),
      },
      lastId,
    )
    const opened = { stream, reader: readerOf(caller), isAllowed }
    this.#open.set(stream, opened)
    void this.#look(opened) // what it may read can have changed since it was asked
    this.#heartbeat ??= setInterval(() => this.#beat(), this.#deps.heartbeatMs ?? heartbeatMs)
    const first = uuidLowerBound(oldest)
    if (lastId !== undefined && lastId < first) stream.gap(first, null, 'retention')
    this.#tail.add(stream)
    if (lastId !== undefined) void this.#catchUp.run(stream)
  }

  /**
   * Ends the streams of those who may not read any more: to be called when a key was revoked or a session has ended, and done
   * with each heartbeat, for what expires and what this process was not told.
   */
  lookAgain(): void {
    this.#isAskedAgain = true
    if (!this.#isLooking) void this.#lookAtAll()
  }

  /** Ends all streams; their readers come back, and go on where they were. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const { stream } of [...this.#open.values()]) stream.end()
    await this.#tail.close()
  }

  #ended(stream: EventStream): void {
    this.#open.delete(stream)
    this.#tail.remove(stream)
    if (this.#open.size > 0) return
    clearInterval(this.#heartbeat)
    this.#heartbeat = undefined
  }

  #beat(): void {
    for (const { stream } of [...this.#open.values()]) stream.heartbeat()
    this.lookAgain()
  }

  async #lookAtAll(): Promise<void> {
    this.#isLooking = true
    while (this.#isAskedAgain) {
      this.#isAskedAgain = false
      const open = [...this.#open.values()].values()
      const lookOneByOne = async () => {
        for (const one of open) await this.#look(one)
      }
      await Promise.all(Array.from({ length: looksMax }, lookOneByOne))
      // Each key or token that is made asks for a round, too, and a round may ask the database for each stream.
      if (this.#isAskedAgain) await sleep(restMs)
    }
    this.#isLooking = false
  }

  async #look({ stream, isAllowed }: Open): Promise<void> {
    try {
      if (!(await isAllowed())) stream.end()
    } catch {
      // The database cannot be asked; those known so far stay valid.
    }
  }
}

function readerOf({ actor }: Caller): string {
  return `${actor.kind}:${actor.id}`
}
