import { AppError } from '../../src/errors.ts'
import type { Queryable } from '../../src/platform/postgres.ts'

/** A database behind a gate: counts what passes, and may hold or lose it. */
export class ReceiverThrottle implements Queryable {
  statements = 0
  /** Statements wait here before they are sent. */
  before: Promise<void> = Promise.resolve()
  /** The answer is lost, though the statement took effect. */
  losesAnswers = false
  /** The statement does not get there. */
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

/** Holds what passes through a gate until it is opened. */
export function hold(gate: ReceiverThrottle): () => void {
  const { promise, resolve } = Promise.withResolvers<void>()
  gate.before = promise
  return resolve
}
