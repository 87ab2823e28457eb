import type { MovedState } from '../model/path-facts.ts'
import type { Logger } from '../platform/logger.ts'
import { isDatabaseUnavailable, type Queryable } from '../platform/postgres.ts'
import type { Troubles, TroubleWords } from '../platform/troubles.ts'
import { countWaiting } from './system-store.ts'

export interface ReceiverTroublesDeps {
  readonly database: Queryable
  readonly troubles: Troubles
  readonly logger: Logger
}

/** Deliveries that wait for a receiver are counted up to here, for at most this many receivers that recover at a time. */
const waitingMax = 1000
const countedMax = 20

/**
 * Tells of receivers that are not sent to: one line when the circuit of a subscription opens or it is disabled, and one when
 * it is active again, by a success or by a person, with how long it has failed and how many deliveries wait for it. States are written by one process
 * each, so each line comes once. Those that last are read from the table of subscriptions.
 */
export class ReceiverTroubles {
  readonly #deps: ReceiverTroublesDeps

  constructor(deps: ReceiverTroublesDeps) {
    this.#deps = deps
  }

  /** States were written. */
  moved(moves: readonly MovedState[]): void {
    const { troubles } = this.#deps
    for (const { id, to, reason } of moves) {
      if (to === 'circuit_open' || to === 'disabled') troubles.tellBegin(wordsOf(id, to, reason))
    }
    const over = moves.filter(
      ({ from, to }) =>
        (to === 'active' || to === 'deleted') && (from === 'circuit_open' || from === 'disabled'),
    )
    if (over.length > 0) void this.#tellOver(over)
  }

  async #tellOver(moves: readonly MovedState[]): Promise<void> {
    const { troubles } = this.#deps
    const waiting = await this.#waiting(moves.slice(0, countedMax).map(({ id }) => id))
    for (const { id, from, to, reason, since } of moves) {
      const words = wordsOf(id, from === 'disabled' ? from : 'circuit_open', null)
      const over = reason === null ? words.over : endedBy[to === 'deleted' ? 'deletion' : 'resume']
      troubles.wasOver({ ...words, over }, since, waiting.get(id) ?? 0)
    }
  }

  async #waiting(ids: readonly number[]): Promise<ReadonlyMap<number, number>> {
    const { database, logger } = this.#deps
    try {
      return await countWaiting(database, ids, waitingMax)
    } catch (error) {
      const level = isDatabaseUnavailable(error) ? 'debug' : 'warn'
      logger[level]({ err: error }, 'deliveries that wait for receivers could not be counted')
      return new Map()
    }
  }
}

function wordsOf(id: number, state: 'circuit_open' | 'disabled', reason: string | null): TroubleWords {
  return {
    kind: 'receiver',
    subject: String(id),
    level: 'warn',
    message: receiverMessages[state],
    ...(reason !== null && { cause: reason }),
    over: 'the receiver of a subscription answers again',
    counts: 'waiting',
    fields: { subscription_id: id, state },
  }
}

const endedBy = {
  resume: 'the subscription was resumed, and is sent to again',
  deletion: 'the subscription was deleted',
} as const

/** What follows from the state of a subscription. */
export const receiverMessages = {
  circuit_open:
    'the circuit of the subscription is open; what it is owed waits until its receiver answers again, or it is resumed by hand',
  disabled: 'the subscription was disabled; what it is owed waits until it is resumed',
} as const
