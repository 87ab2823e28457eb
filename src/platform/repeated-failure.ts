import type { Logger } from './logger.ts'
import { isDatabaseUnavailable } from './postgres.ts'

/**
 * Tells of work that is done again and again and fails: the first time, the tenth, the hundredth in a row and so on, each with
 * its error; and when it has succeeded after that. That the database is away is told by `DatabaseHealth` alone.
 */
export class RepeatedFailure {
  readonly #logger: Logger
  readonly #what: string
  readonly #level: 'warn' | 'error'
  #inARow = 0

  /** @param what the sentence that says what failed */
  constructor(logger: Logger, what: string, level: 'warn' | 'error' = 'warn') {
    this.#logger = logger
    this.#what = what
    this.#level = level
  }

  failed(error: unknown): void {
    if (isDatabaseUnavailable(error)) {
      this.#logger.debug({ err: error }, this.#what)
      return
    }
    const count = ++this.#inARow
    const isTold = Number.isInteger(Math.log10(count))
    this.#logger[isTold ? this.#level : 'debug'](
      { err: error, ...(count > 1 && { in_a_row: count }) },
      this.#what,
    )
  }

  succeeded(): void {
    if (this.#inARow === 0) return
    this.#logger.info({ after: this.#inARow }, `it works again: ${this.#what}`)
    this.#inARow = 0
  }
}
