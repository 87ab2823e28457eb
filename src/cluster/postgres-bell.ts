import type { Queryable } from '../platform/postgres.ts'
import { type Bell, lanesNotice } from './bell.ts'
import { notifyLanes } from './store.ts'

/**
 * NOTIFY takes a lock on the whole cluster until its commit, so it is told a few times per second at most, in
 * transactions of its own, never in those of events.
 */
const tellEveryMs = 20

/** PostgreSQL alone: fresh work of processes that do not deliver waits in its lane until a bell, or the next look. */
export class PostgresBell implements Bell {
  readonly name = 'postgres'
  readonly state = undefined
  readonly #connection: Queryable
  #timer: NodeJS.Timeout | undefined
  #toldAt = Number.NEGATIVE_INFINITY

  /** @param connection one on which a statement may wait without holding up events */
  constructor(connection: Queryable) {
    this.#connection = connection
  }

  ring(): void {
    if (this.#timer) return
    const waitMs = Math.max(0, this.#toldAt + tellEveryMs - performance.now())
    this.#timer = setTimeout(() => void this.#tell(), waitMs)
  }

  async #tell(): Promise<void> {
    // Unheard, it costs the time until the next look at the lanes; a database that is away has other listeners lost.
    await notifyLanes(this.#connection, lanesNotice.channel).catch(() => {})
    this.#toldAt = performance.now()
    this.#timer = undefined
  }
}
