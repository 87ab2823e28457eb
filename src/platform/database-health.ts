import { isDiskFull, wordsOf } from './database-trouble.ts'
import type { Logger } from './logger.ts'
import type { TroubleKind, Troubles, TroubleWords } from './troubles.ts'

/** The uses of the database that show, each by itself, whether it can be used. */
export type DatabaseUse = 'heartbeat' | 'connections' | 'events' | 'log'

export interface DatabaseHealthDeps {
  readonly logger: Pick<Logger, 'debug'>
  readonly troubles: Troubles
  /**
   * Says whether the disk of the database has no room left, where this process can look: a server whose log finds none ends,
   * and then nothing but a refused connection is heard of it. Undefined: the database is elsewhere.
   */
  readonly isDiskFull?: (() => Promise<boolean>) | undefined
}

const over = { over: 'the database can be used again', counts: 'refused' } as const

/**
 * Whether this process can use its database, as its own work shows: the heartbeat, the pinned connections, the events that
 * are written, and the log. It asks the database nothing. An outage lasts from the first use that fails until each one that
 * failed has succeeded; its beginning and its end are told with one line each. A disk without room is told as such, also
 * where that is found out later.
 */
export class DatabaseHealth {
  readonly #deps: DatabaseHealthDeps
  readonly #failing = new Set<DatabaseUse>()
  readonly #told = new Set<TroubleKind>()
  #refused = 0
  #looking: Promise<void> | undefined

  constructor(deps: DatabaseHealthDeps) {
    this.#deps = deps
  }

  /** The uses that fail now. */
  get failing(): ReadonlySet<DatabaseUse> {
    return this.#failing
  }

  /** What is the matter, in a word for checks; undefined: nothing. */
  get trouble(): 'unavailable' | 'disk_full' | undefined {
    if (this.#failing.size === 0) return undefined
    return this.#told.has('disk_full') ? 'disk_full' : 'unavailable'
  }

  /** A use has failed because of the database, not because of what was asked of it. */
  failed(use: DatabaseUse, error: unknown): void {
    this.#failing.add(use)
    const cause = wordsOf(error)
    if (this.#told.size > 0) this.#deps.logger.debug({ use, cause }, 'the database cannot be used')
    if (isDiskFull(error)) this.#tell(diskFull(cause, { use }))
    else if (this.#told.size === 0) this.#tell(unavailable(cause, { use }))
    this.#lookAtDisk()
  }

  /** Costs nothing while all is well. */
  succeeded(use: DatabaseUse): void {
    if (this.#failing.delete(use) && this.#failing.size === 0) {
      for (const kind of this.#told) this.#deps.troubles.ended(kind)
      this.#told.clear()
    }
    if (this.#failing.size === 0) this.#refused = 0
  }

  /** Events were refused. Those since the last success, too, belong to an outage: it is noticed some seconds late. */
  refused(events: number): void {
    this.#refused += events
    for (const kind of this.#told) this.#deps.troubles.hit(kind, events)
  }

  #tell(words: TroubleWords): void {
    if (this.#told.has(words.kind)) return
    this.#told.add(words.kind)
    this.#deps.troubles.began(words, this.#refused)
  }

  #lookAtDisk(): void {
    const { isDiskFull: look } = this.#deps
    if (look === undefined || this.#told.has('disk_full')) return
    this.#looking ??= look()
      .then(isFull => {
        if (isFull && this.#failing.size > 0) this.#tell(diskFull('there is no room left in DATA_DIR', {}))
      })
      .catch(() => {}) // the folder cannot be looked at, which says nothing of its room
      .finally(() => {
        this.#looking = undefined
      })
  }
}

function unavailable(cause: string, fields: Readonly<Record<string, unknown>>): TroubleWords {
  return {
    kind: 'database',
    level: 'warn',
    message:
      'the database cannot be used; events are refused with 503 until it can, and deliveries wait for the log',
    ...{ cause, fields },
    ...over,
  }
}

function diskFull(cause: string, fields: Readonly<Record<string, unknown>>): TroubleWords {
  return {
    kind: 'disk_full',
    level: 'error',
    message:
      'the disk of the database is full: make room on it; events are refused with 503 until there is, and deliveries wait for the log',
    ...{ cause, fields },
    ...over,
    over: 'the disk of the database has room again',
  }
}
