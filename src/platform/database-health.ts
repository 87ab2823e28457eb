import { wordsOf } from './database-trouble.ts'
import type { Logger } from './logger.ts'

/** The uses of the database that show, each by itself, whether it can be used. */
export type DatabaseUse = 'heartbeat' | 'connections' | 'events' | 'log'

/**
 * Whether this process can use its database, as its own work shows: the heartbeat, the pinned connections, the events that
 * are written, and the log. It asks the database nothing. An outage lasts from the first use that fails until each one that
 * failed has succeeded; its beginning and its end are logged with one line each.
 */
export class DatabaseHealth {
  readonly #logger: Pick<Logger, 'warn' | 'debug'>
  readonly #failing = new Set<DatabaseUse>()
  #since = 0
  #refused = 0

  constructor(logger: Pick<Logger, 'warn' | 'debug'>) {
    this.#logger = logger
  }

  /** The uses that fail now. */
  get failing(): ReadonlySet<DatabaseUse> {
    return this.#failing
  }

  /** A use has failed because of the database, not because of what was asked of it. */
  failed(use: DatabaseUse, error: unknown): void {
    const isFirst = this.#failing.size === 0
    this.#failing.add(use)
    const cause = wordsOf(error)
    if (!isFirst) {
      this.#logger.debug({ use, cause }, 'the database cannot be used')
      return
    }
    this.#since = performance.now()
    this.#logger.warn(
      { use, cause },
      'the database cannot be used; events are refused with 503 until it can, and deliveries wait for the log',
    )
  }

  /** Costs nothing while all is well. */
  succeeded(use: DatabaseUse): void {
    if (this.#failing.delete(use) && this.#failing.size === 0) {
      const seconds = Math.round((performance.now() - this.#since) / 100) / 10
      this.#logger.warn({ seconds, refused: this.#refused }, 'the database can be used again')
    }
    if (this.#failing.size === 0) this.#refused = 0
  }

  /** Events were refused. Those since the last success, too, belong to an outage: it is noticed some seconds late. */
  refused(events: number): void {
    this.#refused += events
  }
}
