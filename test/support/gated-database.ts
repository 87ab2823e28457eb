import { AppError } from '../../src/errors.ts'
import type { Queryable } from '../../src/platform/postgres.ts'

/** A database whose statements a test can count, hold back or lose. */
export class GatedDatabase implements Queryable {
  statements = 0
  /** Statements wait here before they are sent. */
  before: Promise<void> = Promise.resolve()
  /** The statement takes effect, and its answer is lost. */
  losesAnswers = false
  /** The statement never reaches the database. */
  isAway = false
  readonly #database: Queryable

  constructor(database: Queryable) {
    this.#database = database
  }

  async query<Row extends object>(statement: Parameters<Queryable['query']>[0]) {
    this.statements++
    await this.before
    if (this.isAway) throw new AppError('database_unavailable', 'away')
    const result = await this.#database.query<Row>(statement)
    if (this.losesAnswers) throw new AppError('database_unavailable', 'the answer is lost')
    return result
  }
}

/** Holds statements back. @returns a function that lets them go on */
export function hold(gate: GatedDatabase): () => void {
  const { promise, resolve } = Promise.withResolvers<void>()
  gate.before = promise
  return resolve
}
