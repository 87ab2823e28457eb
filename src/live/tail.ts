import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import type { Horizon } from '../cluster/horizon.ts'
import { type LiveSource, liveKinds } from '../model/live-source.ts'
import type { Uuid } from '../platform/id.ts'
import type { Logger } from '../platform/logger.ts'
import type { Queryable } from '../platform/postgres.ts'
import { RepeatedFailure } from '../platform/repeated-failure.ts'
import { type Page, readPage } from './page.ts'

export interface TailDeps {
  /** A connection of its own. */
  readonly connection: Queryable
  readonly horizon: Pick<Horizon, 'read'>
  readonly sources: readonly LiveSource[]
  readonly logger: Logger
}

/** A stream, as the tail knows it. */
export interface TailListener {
  /** From here on it is told everything; called once. */
  began(position: Uuid): void
  take(page: Page): void
}

/** What is new is looked for this often, */
const lookEveryMs = 200
/** or less often: after a look that took long it rests, so that it takes at most a fifth of the database's time. */
const restShare = 4
const failedMs = 1000

/** Whoever joins while a page is read is told that page, so it has to have all that anybody could want. */
const everyKind = new Set(liveKinds)
const everything = { tenant: null, subscriptionId: null, status: null }

/**
 * Reads what is new, once for all streams of this process, while there are any. With none it does nothing at all, and when
 * it begins again it begins with the present.
 */
export class Tail {
  readonly #deps: TailDeps
  readonly #failure: RepeatedFailure
  readonly #listeners = new Set<TailListener>()
  #position: Uuid | undefined
  #running: Promise<void> | undefined
  #stopping = new AbortController()

  constructor(deps: TailDeps) {
    this.#deps = deps
    this.#failure = new RepeatedFailure(deps.logger, 'the event stream could not be read; tried again')
  }

  /** Up to where the streams are told; undefined: it has not begun. */
  get position(): Uuid | undefined {
    return this.#position
  }

  add(listener: TailListener): void {
    this.#listeners.add(listener)
    this.#start()
    if (this.#position !== undefined) listener.began(this.#position)
  }

  remove(listener: TailListener): void {
    this.#listeners.delete(listener)
    if (this.#listeners.size === 0) this.#stopping.abort()
  }

  /** Ends what is under way. */
  async close(): Promise<void> {
    this.#listeners.clear()
    this.#stopping.abort()
    await this.#running
  }

  #start(): void {
    if (this.#running) return // which goes on while there is a listener
    this.#running = this.#run().finally(() => {
      this.#running = undefined
      // Where one came meanwhile, it goes on from where it was.
      if (this.#listeners.size > 0) this.#start()
      else this.#position = undefined
    })
  }

  async #run(): Promise<void> {
    this.#stopping = new AbortController()
    const { signal } = this.#stopping
    while (!signal.aborted) {
      const beganAt = performance.now()
      const isDone = await this.#look(signal).catch(error => {
        this.#failure.failed(error)
        return false
      })
      if (isDone) this.#failure.succeeded()
      const tookMs = performance.now() - beganAt
      const restMs = isDone ? Math.max(lookEveryMs - tookMs, tookMs * restShare) : failedMs
      await sleep(restMs, undefined, { signal }).catch(() => {}) // aborted: the loop ends
    }
  }

  /** Tells the streams all up to the horizon of now. */
  async #look(signal: AbortSignal): Promise<true> {
    const { connection, horizon, sources } = this.#deps
    const until = await horizon.read()
    if (this.#position === undefined) this.#begin(until)
    for (let after = this.#position; after !== undefined && after < until; after = this.#position) {
      const page = await readPage(connection, sources, everyKind, { after, until, ...everything })
      if (signal.aborted) break
      this.#tell(page)
      await setImmediate() // what was written is sent
    }
    return true
  }

  #begin(position: Uuid): void {
    this.#position = position
    for (const listener of [...this.#listeners]) listener.began(position)
  }

  /** In one turn, so that a stream that joins has either all of a page or nothing. */
  #tell(page: Page): void {
    this.#position = page.until
    for (const listener of [...this.#listeners]) listener.take(page)
  }
}
