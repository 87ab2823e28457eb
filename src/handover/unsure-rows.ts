import type { Clock } from '../platform/clock.ts'
import type { Uuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'
import { releaseUnsure } from './store.ts'

/** A commit that was under way when its connection broke can still happen this much later, at the most. */
const doubtMs = 120_000

interface Doubt {
  readonly webhookId: Uuid
  readonly owner: number
  readonly until: number
}

/**
 * Events whose commit was not heard of, or was not told to the process that was to hold them. Where it happened after
 * all, their rows are leased to a process that does not hold them: they go to their lanes. Looked for until no
 * statement of that time can still be running.
 */
export class UnsureRows {
  readonly #clock: Clock
  readonly #events = new Map<string, Doubt>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get size(): number {
    return this.#events.size
  }

  /** @param rows those that were to be leased to someone; the others are in their lanes, if they are */
  add(rows: readonly { readonly webhookId: Uuid; readonly owner: number | null }[]): void {
    const until = this.#clock.now() + doubtMs
    for (const { webhookId, owner } of rows) {
      if (owner !== null) this.#events.set(`${webhookId} ${owner}`, { webhookId, owner, until })
    }
  }

  /** Frees what it finds, and forgets what can no longer appear. @returns how many rows were freed */
  async release(db: Queryable): Promise<number> {
    const now = this.#clock.now()
    const byOwner = Map.groupBy(this.#events.values(), doubt => doubt.owner)
    let freed = 0
    for (const [owner, doubts] of byOwner) {
      const ids = doubts.map(doubt => doubt.webhookId)
      freed += await releaseUnsure(db, owner, [...new Set(ids)], now)
      for (const { webhookId, until } of doubts) if (until < now) this.#events.delete(`${webhookId} ${owner}`)
    }
    return freed
  }
}
