import { setTimeout as sleep } from 'node:timers/promises'
import type { LiveSource } from '../model/live-source.ts'
import { type Uuid, uuidLowerBound, uuidTime } from '../platform/id.ts'
import type { Logger } from '../platform/logger.ts'
import { isDatabaseUnavailable, type Queryable } from '../platform/postgres.ts'
import type { EventStream } from './event-stream.ts'
import { readPage } from './page.ts'
import type { Tail } from './tail.ts'

export interface CatchUpDeps {
  readonly database: Queryable
  readonly sources: readonly LiveSource[]
  readonly tail: Pick<Tail, 'position'>
  readonly logger: Logger
}

/** A statement reads a range of ids of at most this time, so that it ends soon where nothing is wanted. */
const rangeMs = 600_000
/** Streams that read at the same time; the others wait. */
const readingMax = 2
const againMs = 1000
/** The tail has not begun yet. */
const notYetMs = 50

/** Reads what streams have missed, from where their readers were up to where the tail is: as fast as they read it. */
export class CatchUp {
  readonly #deps: CatchUpDeps
  #reading = 0
  readonly #turns: (() => void)[] = []

  constructor(deps: CatchUpDeps) {
    this.#deps = deps
  }

  /** Resolves when the stream is live, or has ended. Never rejects. */
  async run(stream: EventStream): Promise<void> {
    while (stream.isOpen) {
      const { tail } = this.#deps
      const after = stream.position
      const until = tail.position
      if (after === undefined || until === undefined) {
        await sleep(notYetMs)
        continue
      }
      // The tail moves on in another turn of the event loop, so what it tells next is what comes after this.
      if (after >= until) return stream.goLive()
      await this.#step(stream, after, until)
      await stream.drained()
    }
  }

  async #step(stream: EventStream, after: Uuid, until: Uuid): Promise<void> {
    const { database, sources, logger } = this.#deps
    const rangeEnd = uuidLowerBound(uuidTime(after) + rangeMs)
    const end = rangeEnd < until ? rangeEnd : until
    const { reach, subscriptionId = null, status = null, kinds } = stream.filter
    const hints = { tenant: reach.tenant, subscriptionId, status }
    try {
      const page = await this.#inTurn(() =>
        readPage(database, sources, new Set(kinds), { after, until: end, ...hints }),
      )
      stream.write(page)
    } catch (error) {
      const level = isDatabaseUnavailable(error) ? 'debug' : 'warn' // that is told once: `DatabaseHealth`
      logger[level](
        { err: error },
        'what a reader of the event stream has missed could not be read; tried again',
      )
      await sleep(againMs)
    }
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#reading >= readingMax) await new Promise<void>(resolve => this.#turns.push(resolve))
    else this.#reading++
    try {
      return await work()
    } finally {
      const next = this.#turns.shift()
      if (next) next()
      else this.#reading--
    }
  }
}
