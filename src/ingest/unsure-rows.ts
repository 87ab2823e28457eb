import type { Clock } from '../platform/clock.ts'
import type { Uuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'
import { releaseUnsure } from './store.ts'

/** A commit that was under way when its connection broke can still happen this much later, at the most. */
const doubtMs = 120_000

/**
 * Events whose commit was not heard of. Where it happened after all, their rows are leased to this process, which
 * does not hold them: they go to their lanes. Looked for until no statement of that time can still be running.
 */
export class UnsureRows {
  readonly #clock: Clock
  readonly #owner: () => number
  readonly #events = new Map<Uuid, { readonly owner: number; readonly until: number }>()

  constructor(clock: Clock, owner: () => number) {
    this.#clock = clock
    this.#owner = owner
  }

  get size(): number {
    return this.#events.size
  }

  add(webhookIds: readonly Uuid[]): void {
    const doubt = { owner: this.#owner(), until: this.#clock.now() + doubtMs }
    for (const id of webhookIds) this.#events.set(id, doubt)
  }

  /** Frees what it finds, and forgets what can no longer appear. @returns how many rows were freed */
  async release(db: Queryable): Promise<number> {
    const now = this.#clock.now()
    const byOwner = Map.groupBy(this.#events, ([, doubt]) => doubt.owner)
    let freed = 0
    for (const [owner, doubts] of byOwner) {
      freed += await releaseUnsure(
        db,
        owner,
        doubts.map(([id]) => id),
        now,
      )
      for (const [id, doubt] of doubts) if (doubt.until < now) this.#events.delete(id)
    }
    return freed
  }
}
