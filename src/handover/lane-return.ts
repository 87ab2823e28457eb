import type { Clock } from '../platform/clock.ts'
import type { Queryable } from '../platform/postgres.ts'
import { freeLeased, type OwedKey } from './store.ts'

/** Rows that wait to be put into their lanes, and of these per statement. */
const waitingMax = 10_000
const batchMax = 500

/** How long after a failure it is tried again. */
const againMs = 1000

export interface LaneReturnDeps {
  readonly connection: Queryable
  readonly clock: Clock
  /** Called when rows went to their lanes. */
  readonly returned: () => void
}

interface Returning extends OwedKey {
  readonly owner: number
}

/**
 * Puts rows into their lanes that are leased to a process of which it is known that it does not hold them, and will not.
 * At most 10,000 wait for that. What is beyond is left to the owner's next look at its rows (`LeasedRows`), or, when
 * that process is gone, to the repair of each minute (`src/lanes/repair.ts`).
 */
export class LaneReturn {
  readonly #deps: LaneReturnDeps
  readonly #waiting: Returning[] = []
  #working: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(deps: LaneReturnDeps) {
    this.#deps = deps
  }

  /** Rows that wait. */
  get waiting(): number {
    return this.#waiting.length
  }

  add(owner: number, { webhookId, subscriptionId }: OwedKey): void {
    if (this.#closed || this.#waiting.length >= waitingMax) return
    this.#waiting.push({ owner, webhookId, subscriptionId })
    // At the end of this turn of the event loop, so that what comes together is one statement.
    this.#timer ??= setTimeout(() => this.#begin(), 0)
  }

  /** Takes nothing more, and tries once more to put what waits into its lane. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    await this.#working
    await this.#work().catch(() => {}) // the owner or the repair finds it
  }

  #begin(): void {
    this.#working = this.#work()
      .then(
        () => 0,
        () => againMs, // the database is away; all of it is still waiting
      )
      .then(afterMs => {
        this.#working = undefined
        this.#timer = undefined
        if (!this.#closed && this.#waiting.length > 0) this.#timer = setTimeout(() => this.#begin(), afterMs)
      })
  }

  async #work(): Promise<void> {
    const { connection, clock, returned } = this.#deps
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.slice(0, batchMax)
      let freed = 0
      for (const [owner, keys] of Map.groupBy(batch, row => row.owner))
        freed += await freeLeased(connection, owner, keys, clock.now())
      this.#waiting.splice(0, batch.length)
      if (freed > 0) returned()
    }
  }
}
