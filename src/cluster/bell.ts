import type { Queryable } from '../platform/postgres.ts'
import type { RedisLink, RedisState } from '../platform/redis.ts'
import { notifyLanes } from './store.ts'

/**
 * How the processes of an installation reach each other sooner than by looking into PostgreSQL. Nothing depends on it
 * but time: whatever it loses is found in PostgreSQL by the next look.
 */
export interface Bell {
  readonly name: 'postgres' | 'redis'
  /**
   * Tells the processes that deliver that their lanes hold something new. Returns at once; calls close to each other
   * are told once.
   */
  ring(): void
  /** How it is, for /readyz and /system; undefined when there is nothing that could be missing. */
  readonly state: string | undefined
}

/** The notice that lanes hold something new, told by processes that do not deliver. */
export const lanesNotice = { channel: 'lanes', parse: () => true } as const

/**
 * NOTIFY takes a lock on the whole cluster until its commit, so it is told at most once in 20 ms, in transactions of its
 * own, never in those of events.
 */
const tellEveryMs = 20

/** PostgreSQL alone: a NOTIFY. */
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
    // Unheard, it costs the time until the next look at the lanes.
    await notifyLanes(this.#connection, lanesNotice.channel).catch(() => {})
    this.#toldAt = performance.now()
    this.#timer = undefined
  }
}

const lanesChannel = 'lanes'

/** A message over Redis, and another bell for as long as Redis is away. */
export class RedisBell implements Bell {
  readonly name = 'redis'
  readonly #link: RedisLink
  readonly #fallback: Bell
  #ringing = false

  constructor(link: RedisLink, fallback: Bell) {
    this.#link = link
    this.#fallback = fallback
  }

  get state(): RedisState {
    return this.#link.state
  }

  ring(): void {
    if (!this.#link.isUsable) {
      this.#fallback.ring()
      return
    }
    if (this.#ringing) return
    this.#ringing = true
    setImmediate(() => {
      this.#ringing = false
      this.#link.publish(lanesChannel, '')
    })
  }

  /** Calls the listener when another process rings. */
  onRing(listener: () => void): void {
    this.#link.subscribe(lanesChannel, listener)
  }
}
